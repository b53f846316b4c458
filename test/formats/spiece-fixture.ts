import protobuf from 'protobufjs';

const TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 };

export interface SpieceFixture {
  /** Ordinary pieces, after the special ones. */
  readonly pieces: readonly string[];
  /** Of the ordinary pieces; -1, -2, ... unless told. */
  readonly scores?: readonly number[];
  readonly userDefined?: readonly string[];
  readonly bytePieces?: readonly string[];
  readonly special?: readonly string[];
  readonly modelType?: number;
  readonly charsmap?: Uint8Array;
}

/** The bytes of a small SentencePiece model, written field by field as the format's description numbers them. */
export function encodeSpiece(fixture: SpieceFixture): Uint8Array {
  const { special = ['<pad>', '</s>', '<unk>'] } = fixture;
  const writer = protobuf.Writer.create();
  const piece = (text: string, score: number, type: number): void => {
    writer.uint32((1 << 3) | 2).fork();
    writer.uint32((1 << 3) | 2).string(text);
    writer.uint32((2 << 3) | 5).float(score);
    if (type !== TYPES.normal) writer.uint32(3 << 3).int32(type);
    writer.ldelim();
  };
  for (const text of special) piece(text, 0, text === '<unk>' ? TYPES.unknown : TYPES.control);
  fixture.pieces.forEach((text, i) => piece(text, fixture.scores?.[i] ?? -1 - i, TYPES.normal));
  for (const text of fixture.userDefined ?? []) piece(text, 0, TYPES.userDefined);
  for (const text of fixture.bytePieces ?? []) piece(text, 0, TYPES.byte);
  writer.uint32((2 << 3) | 2).fork();
  writer.uint32(3 << 3).int32(fixture.modelType ?? 1);
  if (fixture.bytePieces !== undefined) writer.uint32(35 << 3).bool(true);
  writer.ldelim();
  writer.uint32((3 << 3) | 2).fork();
  if (fixture.charsmap !== undefined) writer.uint32((2 << 3) | 2).bytes(fixture.charsmap);
  writer.ldelim();
  return writer.finish();
}

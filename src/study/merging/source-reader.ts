import { DeltaloomError } from '../../core/errors.js';
import { BinaryFile } from '../../formats/binary-file.js';
import { decodeToFloat32 } from '../../formats/element-types.js';
import type { StoredTensor } from '../../formats/safetensors.js';

/** The float32 values of some tensors of one source, by name; views of the reader's memory until it is used again. */
export type StretchValues = ReadonlyMap<string, Float32Array>;

/**
 * Reads the same tensors out of one file after another into memory of its own, used over and over: what many sources cost
 * is time, not memory. Tensors that lie side by side in the file, as written by one program, come with one read.
 */
export class SourceReader {
  private bytes = Buffer.from(new ArrayBuffer(0));

  async read(file: string, tensors: readonly StoredTensor[]): Promise<StretchValues> {
    const spans = adjoining(tensors);
    // Every span begins at a multiple of 8, so that float32 values can be looked at where they lie.
    const room = spans.reduce((sum, { length }) => sum + aligned(length), 0);
    if (this.bytes.length < room) this.bytes = Buffer.from(new ArrayBuffer(room));
    const values = new Map<string, Float32Array>();
    await BinaryFile.use(file, async (opened) => {
      let start = 0;
      for (const span of spans) {
        await opened.readInto(this.bytes.subarray(start, start + span.length), span.offset);
        for (const tensor of span.tensors) {
          const from = start + tensor.byteOffset - span.offset;
          values.set(
            tensor.name,
            decodeToFloat32(tensor.dtype, this.bytes.subarray(from, from + tensor.byteLength)),
          );
        }
        start += aligned(span.length);
      }
    });
    return values;
  }
}

interface Span {
  readonly offset: number;
  length: number;
  readonly tensors: StoredTensor[];
}

function adjoining(tensors: readonly StoredTensor[]): Span[] {
  const spans: Span[] = [];
  for (const tensor of [...tensors].sort((a, b) => a.byteOffset - b.byteOffset)) {
    const last = spans.at(-1);
    if (last !== undefined && last.offset + last.length === tensor.byteOffset) {
      last.length += tensor.byteLength;
      last.tensors.push(tensor);
    } else {
      spans.push({ offset: tensor.byteOffset, length: tensor.byteLength, tensors: [tensor] });
    }
  }
  return spans;
}

function aligned(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/**
 * Names the first of these sources that holds a NaN or an infinity in a tensor; for a merge whose sum is not finite.
 *
 * @throws DeltaloomError `checkpoint-not-finite` with file and tensor
 */
export function refuseNotFinite(
  sources: readonly { readonly task: string; readonly file: string; readonly values: StretchValues }[],
): void {
  for (const { task, file, values } of sources) {
    for (const [name, data] of values) {
      const index = data.findIndex((value) => !Number.isFinite(value));
      if (index < 0) continue;
      throw new DeltaloomError(
        'checkpoint-not-finite',
        `The source '${task}' has ${Number.isNaN(data[index]) ? 'a NaN' : 'an infinite value'} at element ${index}.`,
        {
          place: { file, at: name },
          remedy: `Tune '${task}' again, perhaps at a lower learning rate, or leave it out.`,
        },
      );
    }
  }
}

import { DeltaloomError } from '../core/errors.js';

/** A name that a pickle asks Python to import. It is never imported: it is only a name. */
export class PickleGlobal {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}

  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** What a call that is not known to be harmless would have made. Nothing was called; only the name is kept. */
export class PickleObject {
  constructor(readonly path: string) {}
}

/**
 * Plain data: null, boolean, number (bigint beyond 2^53), string, Uint8Array, array (lists, tuples, sets), Map (dicts); and
 * PickleGlobal, PickleObject, or what a hook made.
 */
export type PickleValue = unknown;

export interface PickleHooks {
  /** For messages. */
  readonly file: string;
  /** Calls that are carried out, by the path of the callee. Each must be a pure function of ours. */
  readonly builders: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>>;
  readonly persistentId: (id: PickleValue) => PickleValue;
}

/** A bound on the objects of one pickle, so that a small file cannot fill the memory. Real checkpoints have thousands. */
const MOST_OBJECTS = 2_000_000;
const LONGEST_INTEGER = 1024;

const MARK = Symbol('mark');

/**
 * Reads one pickle (binary protocols 2 to 5) from `bytes`, beginning at `start`, as plain data. Nothing is imported or
 * executed: calls become PickleObjects, but for the builders given.
 * Returns the value and where the pickle ended. Throws `pickle-damaged`, `pickle-unsupported` or `pickle-too-large`.
 */
export function readPickle(
  bytes: Buffer,
  hooks: PickleHooks,
  start = 0,
): { value: PickleValue; end: number } {
  return new Unpickler(bytes, hooks, start).run();
}

class Unpickler {
  private readonly stack: PickleValue[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private objects = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly hooks: PickleHooks,
    private at: number,
  ) {}

  run(): { value: PickleValue; end: number } {
    for (;;) {
      const opcode = this.byte();
      if (opcode === 0x2e) return { value: this.pop(), end: this.at };
      const isKnown =
        this.runConstant(opcode) || this.runContainer(opcode) || this.runMemo(opcode) || this.runCall(opcode);
      if (!isKnown) {
        throw new DeltaloomError(
          'pickle-unsupported',
          `The pickle has the instruction 0x${opcode.toString(16).padStart(2, '0')} at byte ${this.at - 1}, which no PyTorch checkpoint needs.`,
          { place: { file: this.hooks.file }, remedy: 'Save the checkpoint again with torch.save.' },
        );
      }
    }
  }

  private runConstant(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        this.take(1);
        return true;
      case 0x95: // FRAME: only a hint for buffering
        this.take(8);
        return true;
      case 0x4e: // NONE
        return this.push(null);
      case 0x88: // NEWTRUE
        return this.push(true);
      case 0x89: // NEWFALSE
        return this.push(false);
      case 0x4b: // BININT1
        return this.push(this.byte());
      case 0x4d: // BININT2
        return this.push(this.take(2).readUInt16LE(0));
      case 0x4a: // BININT
        return this.push(this.take(4).readInt32LE(0));
      case 0x8a: // LONG1
        return this.push(this.integer(this.byte()));
      case 0x8b: // LONG4
        return this.push(this.integer(this.take(4).readInt32LE(0)));
      case 0x47: // BINFLOAT
        return this.push(this.take(8).readDoubleBE(0));
      case 0x8c: // SHORT_BINUNICODE
        return this.push(this.text(this.byte()));
      case 0x58: // BINUNICODE
        return this.push(this.text(this.take(4).readUInt32LE(0)));
      case 0x8d: // BINUNICODE8
        return this.push(this.text(this.length64()));
      case 0x55: // SHORT_BINSTRING
        return this.push(this.text(this.byte()));
      case 0x54: // BINSTRING
        return this.push(this.text(this.take(4).readInt32LE(0)));
      case 0x43: // SHORT_BINBYTES
        return this.push(this.take(this.byte()));
      case 0x42: // BINBYTES
        return this.push(this.take(this.take(4).readUInt32LE(0)));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.push(this.take(this.length64()));
      default:
        return false;
    }
  }

  private runContainer(opcode: number): boolean {
    switch (opcode) {
      case 0x28:
        return this.push(MARK);
      case 0x30: // POP
        this.pop();
        return true;
      case 0x31: // POP_MARK
        this.popToMark();
        return true;
      case 0x32: // DUP
        return this.push(this.top());
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        return this.push([]);
      case 0x7d: // EMPTY_DICT
        return this.push(new Map());
      case 0x6c: // LIST
      case 0x74: // TUPLE
      case 0x91: // FROZENSET
        return this.push(this.popToMark());
      case 0x64: // DICT
        return this.push(this.toMap(this.popToMark()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.push(this.popMany(opcode - 0x84));
      case 0x61: // APPEND
        this.append(this.popMany(1));
        return true;
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        this.append(this.popToMark());
        return true;
      case 0x73: // SETITEM
        this.setItems(this.popMany(2));
        return true;
      case 0x75: // SETITEMS
        this.setItems(this.popToMark());
        return true;
      default:
        return false;
    }
  }

  private runMemo(opcode: number): boolean {
    switch (opcode) {
      case 0x71: // BINPUT
        this.memo.set(this.byte(), this.top());
        return true;
      case 0x72: // LONG_BINPUT
        this.memo.set(this.take(4).readUInt32LE(0), this.top());
        return true;
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top());
        return true;
      case 0x68: // BINGET
        return this.pushMemo(this.byte());
      case 0x6a: // LONG_BINGET
        return this.pushMemo(this.take(4).readUInt32LE(0));
      default:
        return false;
    }
  }

  private runCall(opcode: number): boolean {
    switch (opcode) {
      case 0x63: // GLOBAL
        return this.push(new PickleGlobal(this.lineOfText(), this.lineOfText()));
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw this.damaged();
        return this.push(new PickleGlobal(module, name));
      }
      case 0x51: // BINPERSID
        return this.push(this.hooks.persistentId(this.pop()));
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, args] = this.popMany(2);
        return this.push(this.call(callee, args));
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callee] = this.popMany(3);
        return this.push(new PickleObject(pathOf(callee)));
      }
      case 0x62: // BUILD: the state of an object that was not made, or attributes of a dict
        this.popMany(1);
        this.top();
        return true;
      default:
        return false;
    }
  }

  private call(callee: PickleValue, args: PickleValue): PickleValue {
    const path = pathOf(callee);
    const builder =
      callee instanceof PickleGlobal && Object.hasOwn(this.hooks.builders, path)
        ? this.hooks.builders[path]
        : undefined;
    if (builder === undefined) return new PickleObject(path);
    if (!Array.isArray(args)) throw this.damaged();
    return builder(args);
  }

  private append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (Array.isArray(list)) for (const item of items) list.push(item);
    else if (!(list instanceof PickleObject)) throw this.damaged();
  }

  private setItems(items: readonly PickleValue[]): void {
    const map = this.top();
    if (map instanceof PickleObject) return;
    if (!(map instanceof Map)) throw this.damaged();
    for (const [key, value] of this.toMap(items)) map.set(key, value);
  }

  private toMap(items: readonly PickleValue[]): Map<PickleValue, PickleValue> {
    if (items.length % 2 !== 0) throw this.damaged();
    const map = new Map<PickleValue, PickleValue>();
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
    return map;
  }

  private push(value: PickleValue): true {
    if (++this.objects > MOST_OBJECTS) {
      throw new DeltaloomError('pickle-too-large', `The pickle makes more than ${MOST_OBJECTS} objects.`, {
        place: { file: this.hooks.file },
        remedy: 'Save only the tensors that are needed.',
      });
    }
    this.stack.push(value);
    return true;
  }

  private pushMemo(index: number): true {
    if (!this.memo.has(index)) throw this.damaged();
    return this.push(this.memo.get(index));
  }

  private top(): PickleValue {
    if (this.stack.length === 0) throw this.damaged();
    return this.stack.at(-1);
  }

  private pop(): PickleValue {
    if (this.stack.length === 0) throw this.damaged();
    return this.stack.pop();
  }

  private popMany(count: number): PickleValue[] {
    if (this.stack.length < count) throw this.damaged();
    return this.stack.splice(this.stack.length - count);
  }

  private popToMark(): PickleValue[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark === -1) throw this.damaged();
    const items = this.stack.splice(mark);
    items.shift();
    return items;
  }

  private byte(): number {
    return this.take(1)[0] as number;
  }

  private take(count: number): Buffer {
    if (count < 0 || this.at + count > this.bytes.length) throw this.damaged();
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  private length64(): number {
    return Number(this.take(8).readBigUInt64LE(0));
  }

  private text(length: number): string {
    return this.take(length).toString('utf8');
  }

  private lineOfText(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end === -1) throw this.damaged();
    const line = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return line;
  }

  /** A little-endian two's complement integer. */
  private integer(length: number): number | bigint {
    if (length > LONGEST_INTEGER) throw this.damaged();
    const digits = this.take(length);
    let value = 0n;
    for (let i = digits.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i] as number);
    const signed = BigInt.asIntN(8 * length, value);
    return BigInt.asIntN(53, signed) === signed ? Number(signed) : signed;
  }

  private damaged(): DeltaloomError {
    return new DeltaloomError('pickle-damaged', `The pickle makes no sense at byte ${this.at}.`, {
      place: { file: this.hooks.file },
      remedy: 'Copy or download the file again.',
    });
  }
}

function pathOf(callee: PickleValue): string {
  return callee instanceof PickleGlobal || callee instanceof PickleObject ? callee.path : 'an unnamed object';
}

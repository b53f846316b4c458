/**
 * Element types as safetensors names them, and their conversion from and to float32.
 * Everything on disk is little-endian, and so is every platform that Node runs on (s390x aside, which is refused where a
 * model is mapped).
 */
export const BYTES_PER_ELEMENT = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;
export type ElementTypeName = keyof typeof BYTES_PER_ELEMENT;

/** Types a float32 tensor can be written as. */
export type WritableElementType = 'F32' | 'F16' | 'BF16';

export function isElementTypeName(name: string): name is ElementTypeName {
  return Object.hasOwn(BYTES_PER_ELEMENT, name);
}

/** Elements as float32, rounded where the type is wider. `bytes.length` must be a multiple of the element size. */
export function decodeToFloat32(type: ElementTypeName, bytes: Uint8Array): Float32Array {
  const source = alignedCopyIfNeeded(bytes, BYTES_PER_ELEMENT[type]);
  const { buffer, byteOffset, byteLength } = source;
  const count = byteLength / BYTES_PER_ELEMENT[type];
  switch (type) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, count);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, count));
    case 'F16':
      return decodeFloat16(new Uint16Array(buffer, byteOffset, count));
    case 'BF16':
      return decodeBfloat16(new Uint16Array(buffer, byteOffset, count));
    case 'I64':
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
    case 'U64':
      return Float32Array.from(new BigUint64Array(buffer, byteOffset, count), Number);
    case 'I32':
      return Float32Array.from(new Int32Array(buffer, byteOffset, count));
    case 'U32':
      return Float32Array.from(new Uint32Array(buffer, byteOffset, count));
    case 'I16':
      return Float32Array.from(new Int16Array(buffer, byteOffset, count));
    case 'U16':
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count));
    case 'I8':
      return Float32Array.from(new Int8Array(buffer, byteOffset, count));
    case 'U8':
    case 'BOOL':
      return Float32Array.from(source);
  }
}

/** The little-endian bytes of `values` in the given type, rounded to nearest, ties to even. F32 shares memory with `values`. */
export function encodeFromFloat32(type: WritableElementType, values: Float32Array): Uint8Array {
  switch (type) {
    case 'F32':
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    case 'F16':
      return new Uint8Array(encodeFloat16(values).buffer);
    case 'BF16':
      return new Uint8Array(encodeBfloat16(values).buffer);
  }
}

function alignedCopyIfNeeded(bytes: Uint8Array, alignment: number): Uint8Array {
  return bytes.byteOffset % alignment === 0 ? bytes : Uint8Array.from(bytes);
}

let float16Table: Float32Array | undefined;

/** All 65,536 values of float16: one look-up an element is four times as fast as taking each apart. */
function tableOfFloat16(): Float32Array {
  if (float16Table !== undefined) return float16Table;
  const table = new Float32Array(1 << 16);
  for (let bits = 0; bits < table.length; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction === 0 ? sign * Infinity : NaN;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  float16Table = table;
  return table;
}

function decodeFloat16(halves: Uint16Array): Float32Array {
  const table = tableOfFloat16();
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i] as number] as number;
  return values;
}

function decodeBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function encodeBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const source = bitsOf(values);
  const halves = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const bits = source[i] as number;
    const isNaNValue = (bits & 0x7fffffff) > 0x7f800000;
    // Adding half a unit (less one where the kept part is even) rounds to nearest even; NaN must not round to infinity.
    halves[i] = isNaNValue ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return halves;
}

function encodeFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const source = bitsOf(values);
  const halves = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) halves[i] = float16Bits(source[i] as number);
  return halves;
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal in float16: in units of 2^-24, the exact value rounded to nearest even.
    const exponent = magnitude >>> 23;
    if (exponent < 102) return sign;
    const significand = (magnitude & 0x7fffff) | 0x800000;
    return sign | shiftRightRounding(significand, 126 - exponent);
  }
  return sign | shiftRightRounding(magnitude - 0x38000000, 13);
}

/** `value / 2^shift` rounded to nearest, ties to even; `shift` from 1 to 24. */
function shiftRightRounding(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

import { sizeOfShape } from '../core/tensor.js';
import { BinaryFile } from './binary-file.js';
import { BYTES_PER_ELEMENT, decodeToFloat32, type ElementTypeName } from './element-types.js';

/** Where a tensor's bytes lie, little-endian. */
export interface StoredTensor {
  readonly name: string;
  readonly file: string;
  readonly dtype: ElementTypeName;
  readonly shape: readonly number[];
  /** Of the first element, from the start of the file. */
  readonly byteOffset: number;
  /** From the first element to the end of the last. */
  readonly byteLength: number;
  /** In elements; only where the tensor is not row-major and contiguous (a view in a PyTorch file). */
  readonly strides?: readonly number[];
}

/** True where the bytes in the file are the tensor as float32, so that they can be mapped. */
export function isMappableFloat32(stored: StoredTensor): boolean {
  return stored.dtype === 'F32' && stored.strides === undefined;
}

/** The elements as float32, row-major. `opened` spares opening the file again. */
export async function readStoredTensor(stored: StoredTensor, opened?: BinaryFile): Promise<Float32Array> {
  const read = (file: BinaryFile) => file.read(stored.byteOffset, stored.byteLength);
  const bytes = await (opened === undefined ? BinaryFile.use(stored.file, read) : read(opened));
  const elements = decodeToFloat32(stored.dtype, bytes);
  return stored.strides === undefined ? elements : gather(elements, stored.shape, stored.strides);
}

/** True for strides that are those of a row-major tensor without gaps. Dimensions of size 1 may have any. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    if (size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Elements from the first to the last of a strided tensor, both included. */
export function spanOfStrides(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((span, size, i) => span + (size - 1) * (strides[i] as number), 0);
}

export function byteLengthOf(dtype: ElementTypeName, elements: number): number {
  return elements * BYTES_PER_ELEMENT[dtype];
}

function gather(source: Float32Array, shape: readonly number[], strides: readonly number[]): Float32Array {
  const result = new Float32Array(sizeOfShape(shape));
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = source[from] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= (strides[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return result;
}

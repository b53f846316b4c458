/** A dense float32 tensor in plain memory, row-major. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * A delta checkpoint's weights by name, in the reference's naming, for example
 * `encoder.block.0.layer.0.adapter.adapter_A`. Iteration order is the order of the file.
 */
export type DeltaTensors = ReadonlyMap<string, Tensor>;

/** The number of elements of a tensor of this shape. */
export function sizeOfShape(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

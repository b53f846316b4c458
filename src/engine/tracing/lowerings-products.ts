import { DeltaloomError } from '../../core/errors.js';
import { input, output, stored, type Emit, type Lowerings } from './lowering-helpers.js';

const matMul: Emit = (to, call) => {
  const { transposeA, transposeB } = call.nodes[0].attributes as {
    transposeA?: boolean;
    transposeB?: boolean;
  };
  const a = to.full(input(call, 'a'));
  const b = to.full(input(call, 'b'));
  const rankA = input(call, 'a').shape.length;
  const rankB = input(call, 'b').shape.length;
  if (transposeA !== true && transposeB !== true) return [stored(call, to.apply('MatMul', [a, b]))];
  if (to.flavour !== 'webgpu') {
    // Transposed operands are read in place: faster, and no transposed copies of the frozen weights.
    const flags = { transA: transposeA === true ? 1 : 0, transB: transposeB === true ? 1 : 0 };
    return [stored(call, to.apply('FusedMatMul', [a, b], flags, 'com.microsoft'))];
  }
  if (rankB === 2 && transposeA !== true) {
    // Gemm reads a transposed weight in place, where a transposed copy of it would be kept.
    const { dtype, shape } = output(call);
    const inner = input(call, 'a').shape.at(-1) ?? ([1, 1] as const);
    const gemm = to.apply('Gemm', [rankA === 2 ? a : to.rows(a, inner), b], { transB: 1 });
    if (rankA === 2) return [stored(call, gemm)];
    return [{ name: to.apply('Reshape', [gemm, to.reshapeVector(shape)]), dtype, shape, stored: shape }];
  }
  if (rankA === 2 && rankB === 2) {
    const flags = { transA: transposeA === true ? 1 : 0, transB: transposeB === true ? 1 : 0 };
    return [stored(call, to.apply('Gemm', [a, b], flags))];
  }
  const left = transposeA === true ? to.apply('Transpose', [a], { perm: swapLast(rankA) }) : a;
  const right = transposeB === true ? to.apply('Transpose', [b], { perm: swapLast(rankB) }) : b;
  return [stored(call, to.apply('MatMul', [left, right]))];
};

function swapLast(rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return [...axes.slice(0, -2), rank - 1, rank - 2];
}

const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu',
  sigmoid: 'Sigmoid',
  elu: 'Elu',
};

/** A product with bias and activation: TensorFlow.js's own fusion, taken apart. */
const fusedMatMul: Emit = (to, call) => {
  const [product] = matMul(to, call);
  if (product === undefined) throw new Error('A product without a result.');
  const bias = call.inputs['bias'];
  const sum = bias === undefined ? product.name : to.apply('Add', [product.name, bias.name]);
  const activation = (call.nodes[0].attributes['activation'] as string | null | undefined) ?? 'linear';
  if (activation === 'linear') return [{ ...product, name: sum }];
  const opType = ACTIVATIONS[activation];
  if (opType === undefined) {
    throw new DeltaloomError(
      'trace-unknown-kernel',
      `The activation '${activation}' of a fused product can not be compiled yet.`,
    );
  }
  return [{ ...product, name: to.apply(opType, [sum]) }];
};

/** Matrix products. */
export const PRODUCTS: Lowerings = { BatchMatMul: matMul, _FusedMatMul: fusedMatMul };

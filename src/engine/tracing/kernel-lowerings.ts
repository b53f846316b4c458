import type { Lowerings } from './lowering-helpers.js';
import { ELEMENTWISE } from './lowerings-elementwise.js';
import { INDEXING } from './lowerings-indexing.js';
import { LAYOUT } from './lowerings-layout.js';
import { PRODUCTS } from './lowerings-products.js';
import { REDUCTIONS } from './lowerings-reductions.js';

/** Every TensorFlow.js kernel the compiled devices know. */
export const KERNEL_LOWERINGS: Lowerings = {
  ...ELEMENTWISE,
  ...INDEXING,
  ...LAYOUT,
  ...PRODUCTS,
  ...REDUCTIONS,
};

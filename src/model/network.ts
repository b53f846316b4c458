import type { Tensor } from '@tensorflow/tfjs';
import type { DeltaSettings } from '../core/delta-settings.js';
import type { T5Architecture } from '../core/t5-architecture.js';
import type { Dropout } from './dropout.js';

/** A delta's settings with its tensors by name. */
export interface NetworkDelta {
  readonly settings: DeltaSettings;
  readonly tensors: (name: string) => Tensor;
}

/** Everything the model functions need besides their inputs. Nothing here depends on batch or length. */
export interface Network {
  readonly architecture: T5Architecture;
  /** Backbone weights by Hugging Face name. */
  readonly weights: (name: string) => Tensor;
  /** The output weight is the embedding. */
  readonly tied: boolean;
  /** Backbone weights want gradients too (pretraining). */
  readonly trainable: boolean;
  readonly delta: NetworkDelta | null;
  readonly dropout: Dropout | null;
}

/** The number of prefix positions that every self-attention sees; 0 without a prefix. */
export function prefixLength(delta: { settings: DeltaSettings } | null): number {
  return delta?.settings.type === 'prefix' ? delta.settings.length : 0;
}

import { DeltaloomError } from '../../core/errors.js';
import type { DeltaSettings, DeltaType } from '../../core/delta-settings.js';
import { sizeOfShape, type DeltaTensors } from '../../core/tensor.js';

const NAMES_IN_A_MESSAGE = 3;
const REMEDY = 'Use a checkpoint that was tuned on this backbone with the delta settings of this study.';

/**
 * Holds a delta against what the model needs before it computes anything.
 * Throws `delta-wrong-type`, `delta-names`, `delta-shape` (both shapes shown) or `delta-not-finite`.
 */
export function checkDelta(
  delta: DeltaTensors,
  expected: ReadonlyMap<string, readonly number[]>,
  settings: DeltaSettings | null,
  backbone: string,
): void {
  const found = typeOfDelta(delta.keys());
  if (settings !== null && found !== null && found !== settings.type) {
    throw new DeltaloomError(
      'delta-wrong-type',
      `The checkpoint holds ${withArticle(found)}, and ${withArticle(settings.type)} is asked for.`,
      { remedy: REMEDY },
    );
  }
  const missing = [...expected.keys()].filter((name) => !delta.has(name));
  const extra = [...delta.keys()].filter((name) => !expected.has(name));
  if (missing.length > 0 || extra.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`lacks ${some(missing)}`] : []),
      ...(extra.length > 0 ? [`has ${some(extra)} that this model does not have`] : []),
    ];
    throw new DeltaloomError(
      'delta-names',
      `The checkpoint was made for another model than ${backbone}: it ${parts.join(' and ')}.`,
      { remedy: REMEDY },
    );
  }
  for (const [name, shape] of expected) {
    const tensor = delta.get(name);
    if (tensor === undefined) continue;
    if (tensor.shape.join() !== shape.join() || tensor.data.length !== sizeOfShape(shape)) {
      throw new DeltaloomError(
        'delta-shape',
        `The checkpoint was made for another model than ${backbone}: '${name}' has shape [${tensor.shape.join(', ')}], and [${shape.join(', ')}] is needed.`,
        { place: { at: name }, remedy: REMEDY },
      );
    }
    const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new DeltaloomError(
        'delta-not-finite',
        `The checkpoint holds ${String(tensor.data[bad])} in '${name}', element ${bad}.`,
        { place: { at: name }, remedy: 'Its tuning diverged: tune it again at a lower learning rate.' },
      );
    }
  }
}

/** The kind of delta that these tensor names belong to; null where they tell nothing. */
export function typeOfDelta(names: Iterable<string>): DeltaType | null {
  for (const name of names) {
    if (name.includes('.adapter.')) return 'adapter';
    if (name.includes('.lora_')) return 'lora';
    if (name.includes('.prefix')) return 'prefix';
  }
  return null;
}

function withArticle(type: DeltaType): string {
  return type === 'adapter' ? 'an adapter' : type === 'lora' ? 'LoRA' : 'a prefix';
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_IN_A_MESSAGE).map((name) => `'${name}'`);
  const more = names.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

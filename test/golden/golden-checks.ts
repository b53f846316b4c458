import { join } from 'node:path';
import type { DeviceId, Engine } from '../../src/engine/contract.js';
import { checkModels, type ModelCheckOptions } from './model-checks.js';
import { openBackbone, openModel } from '../../src/study/compute/index.js';
import { checkReferenceFiles } from './reference-file-checks.js';
import { checkScores, GOLDEN_DELTAS } from './score-checks.js';
import { checkStudy, type Comparison } from './study-checks.js';
import { checkTokenizers } from './tokenizer-checks.js';

/** A part of a golden folder's check. A further part is one more entry of {@link GOLDEN_CHECKS}. */
export interface GoldenCheck {
  readonly name: string;
  readonly run: (context: GoldenContext) => Promise<Comparison[]>;
}

export interface GoldenContext {
  readonly folder: string;
  readonly engine: Engine;
  readonly looseness: number;
  /** Of 'models': some of them. */
  readonly chosen?: Pick<ModelCheckOptions, 'models' | 'deltas' | 'begun'>;
}

/**
 * GPUs multiply and add in other orders and with approximate transcendental functions: differences of some ten times those of
 * the cpu are ordinary, and no sign of an error.
 */
const LOOSENESS: Partial<Record<DeviceId, number>> = { webgpu: 20, cuda: 20, 'tfjs-node-gpu': 20 };

export function loosenessOf(engine: Engine): number {
  return LOOSENESS[engine.device.id] ?? 1;
}

export const GOLDEN_CHECKS: readonly GoldenCheck[] = [
  { name: 'tokenizers', run: ({ folder }) => checkTokenizers(folder) },
  {
    name: 'models',
    run: ({ folder, engine, looseness, chosen }) => checkModels(folder, engine, { looseness, ...chosen }),
  },
  { name: 'scores', run: checkAllScores },
  { name: 'study', run: ({ folder }) => checkStudy(folder) },
  { name: 'reference files', run: ({ folder }) => checkReferenceFiles(folder) },
];

async function checkAllScores({ folder, engine, looseness }: GoldenContext): Promise<Comparison[]> {
  const backbone = await openBackbone(join(folder, 'modelA'), {
    tokenizerDirectory: join(folder, 'tokenizer'),
  });
  const comparisons: Comparison[] = [];
  for (const [name, delta] of Object.entries(GOLDEN_DELTAS)) {
    const model = await openModel(backbone, delta, engine);
    comparisons.push(...(await checkScores(folder, name, model)));
    await model.dispose();
  }
  return comparisons.map((each) => ({ ...each, tolerance: each.tolerance * looseness }));
}

export interface Summary {
  readonly quantity: string;
  readonly comparisons: number;
  /** Of the comparison that is worst against its tolerance. */
  readonly worst: Comparison;
  readonly failed: readonly Comparison[];
}

/** One line per quantity: the parts of the name before the third `/` and the trailing number. */
export function summarise(comparisons: readonly Comparison[]): Summary[] {
  const groups = new Map<string, Comparison[]>();
  for (const comparison of comparisons) {
    const quantity = comparison.name.split('/').slice(0, 3).join('/').replace(/ \d+$/, '');
    const group = groups.get(quantity) ?? [];
    group.push(comparison);
    groups.set(quantity, group);
  }
  return [...groups].flatMap(([quantity, group]) => {
    const [worst] = [...group].sort((a, b) => severity(b) - severity(a));
    if (worst === undefined) return [];
    return [{ quantity, comparisons: group.length, worst, failed: group.filter((c) => !passes(c)) }];
  });
}

export function passes({ difference, tolerance }: Comparison): boolean {
  return difference <= tolerance;
}

function severity({ difference, tolerance }: Comparison): number {
  if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
  return tolerance === 0 ? difference : difference / tolerance;
}

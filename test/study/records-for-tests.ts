import type { RunRecord } from '../../src/study/records.js';

/** A run record as a tuning writes it, with what a test cares about put in. */
export function aRun(changes: Partial<RunRecord>): RunRecord {
  return {
    format: 'deltaloom/run',
    version: 1,
    id: 'adapter.16-shot.seed-42.random.00000000',
    key: '0'.repeat(64),
    kind: 'tune',
    task: 'boolq',
    deltaName: 'adapter',
    delta: {
      type: 'adapter',
      size: 12,
      nonlinearity: 'silu',
      placement: ['self-attention', 'cross-attention', 'feed-forward'],
    },
    role: 'target',
    shots: 16,
    dataSeed: 42,
    seed: 42,
    initialisation: { kind: 'random', seed: 42 },
    tuning: null,
    chosen: { learningRate: 5e-4, batchSize: 8 },
    inputs: { backbone: '1'.repeat(64), data: { train: '2'.repeat(64) }, initial: null },
    status: 'done',
    checkpoint: null,
    curve: { train: [], dev: [] },
    results: {
      metric: 'ACC',
      dev: 0.5,
      test: 0.5,
      devLoss: 1,
      bestStep: 10,
      steps: 10,
      testExamples: 10,
    },
    provenance: {
      commit: null,
      branch: null,
      dirty: false,
      time: '2026-01-01T00:00:00.000Z',
      seconds: 1,
      device: 'cpu',
      versions: {},
    },
    ...changes,
  };
}

import { expect, it } from 'vitest';
import { jobRequestSchema } from '../../src/study/jobs.js';

const tune = {
  kind: 'tune',
  tasks: ['copy'],
  deltaName: 'adapter',
  role: 'target',
  initialisation: { kind: 'random' },
};

it.each([0, -1, 1.5])('a tuning on %s shots is no request: there would be nothing to train on', (shots) => {
  expect(jobRequestSchema.safeParse({ ...tune, shots }).success).toBe(false);
});

it.each([1, 16, 'full'])('a tuning on %s shots is a request', (shots) => {
  expect(jobRequestSchema.safeParse({ ...tune, shots }).success).toBe(true);
});

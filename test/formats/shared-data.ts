import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';

const SHARED = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** A path of the optional test data beside the checkout. */
export function shared(...parts: string[]): string {
  return join(SHARED, ...parts);
}

/** A path of the golden values that are kept in the repository. */
export function goldenFixture(...parts: string[]): string {
  return join(fileURLToPath(new URL('../fixtures/golden/', import.meta.url)), ...parts);
}

/** True where the optional test data is absent: for `describe.skipIf`, with a message. */
export function isAbsent(...parts: string[]): boolean {
  const absent = !existsSync(shared(...parts));
  if (absent) console.warn(`Skipped: the optional test data ${parts.join('/')} is not beside the checkout.`);
  return absent;
}

/** A fresh folder for the tests of one file; removed at the end. */
export function temporaryFolder(): (...parts: string[]) => string {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deltaloom-formats-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return (...parts) => join(folder, ...parts);
}

/** The DeltaloomError that a promise must end with; anything else fails the test. */
export async function refusal(promise: Promise<unknown>): Promise<DeltaloomError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof DeltaloomError) return error;
    throw error;
  }
  throw new Error(`Nothing was refused; the result was ${JSON.stringify(value)}.`);
}

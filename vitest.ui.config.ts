import { defineConfig } from 'vitest/config';

/** Journeys in a real VS Code: one after another, since each starts a server and a browser. */
export default defineConfig({
  test: {
    include: ['test/ui/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // The editor answers when it can: a busy machine is no failure.
    expect: { poll: { timeout: 30_000, interval: 100 } },
  },
});

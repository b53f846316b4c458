import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/inhost/**', 'test/ui/**'],
    // onnxruntime-node is a native module with a process-wide environment: processes, not threads.
    pool: 'forks',
    maxWorkers: 2,
    // Generous: a busy machine must not make a right answer fail; speed is measured in bench/.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    coverage: {
      provider: 'v8',
      include: ['src/core/**', 'src/formats/**', 'src/study/**'],
      reporter: ['text-summary', 'json-summary'],
    },
  },
});

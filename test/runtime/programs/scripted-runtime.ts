import { setTimeout as delay } from 'node:timers/promises';
import { DeltaloomError } from '../../../src/core/errors.js';
import { serveOverPipes } from '../../../src/runtime/serve.js';

/**
 * The real runtime process and protocol around work that does what the name of its first task says: `sleep:MS`, `crash`,
 * `crash-once:FILE`, `block:MS` (the event loop), `stubborn:MS` (ignores its cancellation), `fail`, `grow` (memory).
 */
serveOverPipes({
  execute: async (job, { signal, progress, log }) => {
    const request = job.request;
    const script = request.kind === 'tune' ? (request.tasks[0] ?? '') : '';
    const [what = '', argument = ''] = script.split('=');
    log(`script ${script}`);
    const outcome = { records: [], computed: 1, reused: 0, summary: `Did ${script}.` };
    if (what === 'sleep') {
      const steps = 10;
      for (let step = 1; step <= steps; step++) {
        await delay(Number(argument) / steps, undefined, { signal });
        progress({ label: 'Sleeping', done: step, total: steps, unit: 'steps', step, loss: 1 / step });
      }
    } else if (what === 'crash') {
      process.kill(process.pid, 'SIGKILL');
      await delay(10_000);
    } else if (what === 'crash-once') {
      const { existsSync, writeFileSync } = await import('node:fs');
      if (!existsSync(argument)) {
        writeFileSync(argument, '');
        process.kill(process.pid, 'SIGKILL');
        await delay(10_000);
      }
    } else if (what === 'block') {
      await delay(50);
      if (job.attempts > 0) return outcome;
      const end = Date.now() + Number(argument);
      while (Date.now() < end);
    } else if (what === 'stubborn') {
      await delay(Number(argument));
    } else if (what === 'grow') {
      const kept: Buffer[] = [];
      while (!signal.aborted) {
        kept.push(Buffer.alloc(8 * 1024 * 1024, 1));
        if (kept.length > 40) await delay(100);
        await delay(5);
      }
    } else if (what === 'fail') {
      throw new DeltaloomError('no-data', 'There is no data.', {
        place: { file: 'tasks/x.tsv', line: 3 },
        remedy: 'Add some.',
      });
    }
    return outcome;
  },
  devices: () => Promise.resolve([{ id: 'cpu', title: 'CPU', usable: true, reason: 'Always.' }]),
  check: () => Promise.resolve([]),
  inspect: ({ file }) =>
    Promise.reject(
      new DeltaloomError('unreadable', `${file} is no checkpoint.`, { remedy: 'Choose another.' }),
    ),
  onDeviceOpened: () => undefined,
  release: () => Promise.resolve(),
});

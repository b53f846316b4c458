import { listDevices } from '../engine/index.js';
import { executeJob } from '../study/execute.js';
import { preflight } from '../study/preflight.js';
import { EngineHolder } from './engine-holder.js';
import { inspectCheckpoint } from './inspect-checkpoint.js';
import { serveOverPipes } from './serve.js';

/** The runtime process: everything that takes longer than a blink happens here. Started by `RuntimeClient`. */

const engines = new EngineHolder();

serveOverPipes({
  execute: (job, hooks) =>
    executeJob(
      job.study,
      job.request,
      { ...hooks, engine: () => engines.get(job.compute, hooks.log) },
      // A person sees it wait, and may cancel it: another window, or a command line, works on the study.
      { waitMs: Number.POSITIVE_INFINITY },
    ),
  devices: () => listDevices(),
  check: (study) => preflight(study),
  inspect: inspectCheckpoint,
  onDeviceOpened: (listener) => engines.onOpened(listener),
  release: () => engines.release(),
});

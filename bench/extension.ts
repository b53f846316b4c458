import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { makeLargeRecords, writeStudy, writeTinyBackbone } from '../test/extension/make-study.js';
import { runInHost } from '../test/harness/run-inhost.js';
import { PROJECT_ROOT } from '../test/harness/workbench.js';
import { writeSampleStudy } from '../test/support/commands.js';

/** How long the extension takes and how long it holds the extension host, in a real VS Code: `npm run bench:extension`. */

interface Phase {
  readonly name: string;
  readonly took: number | null;
  readonly blocked: number;
}

const temporary = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-bench-'));
const sample = path.join(temporary, 'sample');
const large = path.join(temporary, 'large');
const empty = path.join(temporary, 'empty');
try {
  await mkdir(empty);
  writeSampleStudy(sample);
  await writeTinyBackbone(PROJECT_ROOT, large);
  const records = makeLargeRecords(40, 50);
  // With learning curves as long as real ones.
  const runs = records.runs.map((run) => ({
    ...run,
    curve: {
      train: Array.from({ length: 100 }, (_, step) => ({ step: step * 10, loss: 2 / (1 + step) })),
      dev: Array.from({ length: 20 }, (_, step) => ({ step: step * 50, metric: step / 20, loss: 1 })),
    },
  }));
  await writeStudy(large, { ...records, runs });
  const sections: string[] = [];
  for (const [title, study] of [
    ['The sample study', sample],
    ['2,000 checkpoints (40 tasks, 50 runs each, curves of 120 points)', large],
  ] as const) {
    const result = await runInHost(empty, {
      programs: 'bench/extension',
      environment: { DELTALOOM_BENCH_STUDY: study },
    });
    if (result.failed > 0) throw new Error(result.report);
    const phases = result.report.split('\n').map((line) => JSON.parse(line) as Phase);
    sections.push(`## ${title}`, '', ...table(phases), '');
  }
  const text = [
    '# The extension',
    '',
    `\`npm run bench:extension\` on ${os.cpus()[0]?.model ?? 'an unknown processor'}, ${os.cpus().length} cores, in the extension host of VS Code for the browser. Milliseconds: from the call to its end, and the longest time for which the host's event loop did not turn meanwhile (VS Code's own work included).`,
    '',
    ...sections,
  ].join('\n');
  await writeFile(path.join(import.meta.dirname, 'results', 'extension.md'), text);
  console.log(text);
} finally {
  await rm(temporary, { recursive: true, force: true });
}

function table(phases: readonly Phase[]): string[] {
  return [
    '| what | took | longest pause |',
    '| --- | ---: | ---: |',
    ...phases.map(
      ({ name, took, blocked }) =>
        `| ${name} | ${took === null ? '' : took.toFixed(0)} | ${blocked.toFixed(0)} |`,
    ),
  ];
}

import { averagingWeights, weightDirection } from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import { GRANULARITIES, SCORE_METHOD_INFO, SCORE_METHODS } from '../../core/methods.js';
import { collectResults, type ResultsTable } from '../../core/results.js';
import { sourceTasks } from '../catalogue.js';
import type { Provenance, ScoreMatrix } from '../records.js';
import type { JudgedSnapshot } from '../judged-snapshot.js';
import type { StudySnapshot } from '../snapshot.js';
import { initialisationLabel, targetResults } from '../target-results.js';
import { temperatureOf } from '../temperatures.js';
import { curveChart } from './curves.js';
import { heatmap } from './heatmap.js';
import { escapeHtml, html, type Html } from './html.js';
import { STYLE } from './style.js';

/** One self-contained HTML file: no script, no font, no picture from elsewhere. */
export function studyReport(snapshot: JudgedSnapshot): string {
  const name = snapshot.configuration?.name ?? snapshot.directory.split(/[\\/]/).at(-1) ?? 'study';
  const sections = [resultsSection(snapshot), scoresSection(snapshot), curvesSection(snapshot)];
  const body = sections.flatMap((section) => (section === null ? [] : [section.markup])).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(name)}: Deltaloom report</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(name)}</h1>
<p>${snapshot.tasks.length} tasks, ${snapshot.runs.length} runs, ${snapshot.matrices.length} score matrices, ${snapshot.merges.length} merges.</p>
${body}
</main>
</body>
</html>
`;
}

function resultsSection(snapshot: JudgedSnapshot): Html | null {
  const names = snapshot.tasks.map(({ name }) => name);
  const tables = collectResults(targetResults(snapshot, names, snapshot.stale), names);
  if (tables.length === 0) return null;
  return html`<section>
    <h2>Results</h2>
    <p>Test metric in percent, means over seeds and their deviation; gains in points. Bold: the best.</p>
    ${tables.map((table) => html`${summaryTable(table)} ${resultsTable(table)}`)}
  </section>`;
}

const percent = (value: number): string => (value * 100).toFixed(1);
const signed = (value: number | null): string =>
  value === null ? '–' : `${value >= 0 ? '+' : ''}${percent(value)}`;

const titleOf = ({ deltaName, shots }: ResultsTable): string =>
  `${deltaName}, ${shots === 'full' ? 'full data' : `${shots} shots`}`;

/** One row an initialisation: what most readers want to know first. */
function summaryTable(table: ResultsTable): Html {
  return html`<div class="wide">
    <table>
      <caption>
        ${titleOf(table)}: mean of ${table.tasks.length} tasks
      </caption>
      <thead>
        <tr>
          <th scope="col">initialisation</th>
          <th scope="col">mean</th>
          <th scope="col">over random</th>
          <th scope="col">over average</th>
          <th scope="col">tasks won, tied, lost against random</th>
        </tr>
      </thead>
      <tbody>
        ${table.columns.map(
          (column) =>
            html`<tr>
              <th scope="row">${column.initialisation}</th>
              ${valueCell(column)}
              <td>${signed(column.gainOverRandom)}</td>
              <td>${signed(column.gainOverAverage)}</td>
              <td>
                ${column.againstRandom.wins}, ${column.againstRandom.ties}, ${column.againstRandom.losses}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function valueCell(cell: { mean: number; deviation: number | null; best: boolean } | null): Html {
  if (cell === null) return html`<td>–</td>`;
  const deviation = cell.deviation === null ? '' : ` ±${percent(cell.deviation)}`;
  return cell.best
    ? html`<td><strong>${percent(cell.mean)}</strong>${deviation}</td>`
    : html`<td>${percent(cell.mean)}${deviation}</td>`;
}

function resultsTable(table: ResultsTable): Html {
  const { tasks, columns, cells } = table;
  return html`<div class="wide">
    <table class="dense">
      <caption>
        ${titleOf(table)}: by task
      </caption>
      <thead>
        <tr>
          <th scope="col">task</th>
          <th scope="col">metric</th>
          ${columns.map(({ initialisation }) => html`<th scope="col">${initialisation}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${tasks.map(
          (task, i) =>
            html`<tr>
              <th scope="row">${task.name}</th>
              <td>${task.metric}</td>
              ${(cells[i] ?? []).map(valueCell)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** In the order of the catalogue, whatever the files are called. */
function scoresSection(snapshot: StudySnapshot): Html | null {
  const place = ({ method, granularity }: ScoreMatrix): number =>
    SCORE_METHODS.indexOf(method) * GRANULARITIES.length + GRANULARITIES.indexOf(granularity);
  const matrices = [...snapshot.matrices].sort(
    (a, b) => a.deltaName.localeCompare(b.deltaName) || place(a) - place(b),
  );
  if (matrices.length === 0) return null;
  return html`<section>
    <h2>Scores</h2>
    <p>Rows: targets. Columns: sources. A target's own source takes no part in its merges.</p>
    <div class="pairs">${matrices.map((matrix) => matrixSection(matrix, snapshot))}</div>
  </section>`;
}

function matrixSection(matrix: ScoreMatrix, snapshot: StudySnapshot): Html {
  const info = SCORE_METHOD_INFO[matrix.method];
  const parts = matrix.granularity === 'model' ? '' : ` (mean over ${matrix.granularity}s)`;
  return html`<section>
    <h3>${info.title}${parts}, ${matrix.deltaName}</h3>
    <p>
      ${info.summary} ${info.direction === 'lower' ? 'Lower' : 'Higher'}: more similar.
      ${origin(matrix.provenances)}
    </p>
    ${heatmap(matrix)} ${matrix.granularity === 'model' ? weightsTable(matrix, snapshot) : null}
  </section>`;
}

function weightsTable(matrix: ScoreMatrix, { configuration, tasks }: StudySnapshot): Html {
  const { method, compatibility } = matrix;
  const temperature = temperatureOf(matrix, configuration);
  // A matrix may hold columns that the study does not merge (any more).
  const merged = configuration === null ? matrix.sources : sourceTasks(configuration, tasks);
  const sources = matrix.sources.filter((task) => merged.includes(task));
  const rows = matrix.targets.map((target) => {
    const row = sources.flatMap((task) => {
      const cell = matrix.cells.find((candidate) => candidate.target === target && candidate.source === task);
      return cell === undefined ? [] : [{ task, value: cell.values[0] ?? null }];
    });
    try {
      const weights = averagingWeights(target, row, {
        direction: weightDirection(method, compatibility),
        temperature,
      });
      const best = weights.sources
        .map((source, j) => ({ source, weight: weights.weights[j] ?? 0 }))
        .sort((a, b) => b.weight - a.weight)
        .slice(0, 3)
        .map(({ source, weight }) => `${source} ${percent(weight)}%`);
      return html`<tr>
        <th scope="row">${target}</th>
        <td>${best.join(', ')}</td>
        <td>${weights.effectiveSources.toFixed(2)}</td>
      </tr>`;
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      return html`<tr>
        <th scope="row">${target}</th>
        <td colspan="2">${error.message}</td>
      </tr>`;
    }
  });
  return html`<details>
    <summary>Averaging weights at temperature ${temperature}</summary>
    <div class="wide">
      <table>
        <thead>
          <tr>
            <th scope="col">target</th>
            <th scope="col">largest weights</th>
            <th scope="col">effective sources</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </details>`;
}

/** Which commits the numbers come from. */
function origin(provenances: readonly Provenance[]): string {
  const commits = [
    ...new Set(
      provenances.map(({ commit, branch, dirty }) =>
        commit === null
          ? 'no commit'
          : `${commit.slice(0, 8)}${branch === null ? '' : ` (${branch})`}${dirty ? ' with changes' : ''}`,
      ),
    ),
  ];
  return commits.length === 0 ? '' : `From ${commits.join(', ')}.`;
}

function curvesSection({ runs, tasks }: StudySnapshot): Html | null {
  const order = tasks.map(({ name }) => name);
  const tuned = runs
    .filter(({ kind, role, curve }) => kind === 'tune' && role !== 'step-k' && curve.dev.length > 1)
    .sort((a, b) => order.indexOf(a.task) - order.indexOf(b.task));
  if (tuned.length === 0) return null;
  return html`<section>
    <h2>Learning curves</h2>
    <p>Dev metric by step. Of a target's seeds the first is drawn.</p>
    ${[...groupByTask(tuned)].map(([task, own]) => {
      const seed = Math.min(...own.filter(({ role }) => role === 'target').map((run) => run.seed));
      const drawn = own.filter((run) => run.role !== 'target' || run.seed === seed);
      return html`<details>
        <summary>${task}: ${drawn.length} of ${own.length} runs</summary>
        ${curveChart(
          `${task}: dev metric by step`,
          drawn.map((run) => ({
            label: `${run.deltaName} ${run.role === 'source' ? 'source' : initialisationLabel(run.initialisation)}, seed ${run.seed}`,
            points: run.curve.dev.flatMap(({ step, metric }) =>
              metric === null ? [] : [{ x: step, y: metric }],
            ),
          })),
        )}
      </details>`;
    })}
  </section>`;
}

function groupByTask<Run extends { readonly task: string }>(runs: readonly Run[]): Map<string, Run[]> {
  const groups = new Map<string, Run[]>();
  for (const run of runs) groups.set(run.task, [...(groups.get(run.task) ?? []), run]);
  return groups;
}

import type { ScoreMatrix } from '../records.js';
import { html, type Html } from './html.js';

const CELL = 26;
const LABEL = 190;
/** Perceptually uniform and safe for colour-blind readers: viridis at eight places. */
const COLOURS = [
  [68, 1, 84],
  [70, 50, 127],
  [54, 92, 141],
  [39, 127, 142],
  [31, 161, 135],
  [74, 194, 109],
  [159, 218, 58],
  [253, 231, 37],
] as const;

/** Targets x sources; the brighter, the more similar. Every cell says its value when pointed at; the table says all. */
export function heatmap(matrix: ScoreMatrix): Html {
  const { targets, sources, direction } = matrix;
  const values = new Map(
    matrix.cells.map(({ target, source, values: own }) => [`${target}\t${source}`, meanOf(own)]),
  );
  const valueOf = (target: string, source: string): number | null =>
    values.get(`${target}\t${source}`) ?? null;
  const compared = targets.flatMap((target) =>
    sources.flatMap((source) => {
      const value = valueOf(target, source);
      return value === null || target === source ? [] : [value];
    }),
  );
  const [low, high] = [Math.min(...compared), Math.max(...compared)];
  const similarity = (value: number): number => {
    const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
    return direction === 'lower' ? 1 - share : share;
  };
  const [width, height] = [LABEL + sources.length * CELL + 10, LABEL + targets.length * CELL + 10];
  const cells = targets.flatMap((target, i) =>
    sources.map((source, j) => {
      const value = valueOf(target, source);
      const own = target === source;
      const title = `${source} on ${target}: ${value === null ? 'not a number' : value.toPrecision(5)}${own ? ' (its own, left out)' : ''}`;
      const [x, y] = [LABEL + j * CELL, LABEL + i * CELL];
      const size = CELL - 1;
      return own || value === null
        ? html`<rect x="${x}" y="${y}" width="${size}" height="${size}" class="left-out"
            ><title>${title}</title></rect
          >`
        : html`<rect x="${x}" y="${y}" width="${size}" height="${size}" fill="${colour(similarity(value))}"
            ><title>${title}</title></rect
          >`;
    }),
  );
  const labels = [
    ...targets.map(
      (target, i) =>
        html`<text x="${LABEL - 6}" y="${LABEL + i * CELL + 17}" text-anchor="end"
          >${shortened(target)}</text
        >`,
    ),
    ...sources.map((source, j) => {
      const x = LABEL + j * CELL + 16;
      return html`<text x="${x}" y="${LABEL - 6}" transform="rotate(-60 ${x} ${LABEL - 6})"
        >${shortened(source)}</text
      >`;
    }),
  ];
  return html`<figure class="wide">
      <svg
        viewBox="0 0 ${width} ${height}"
        width="${width}"
        height="${height}"
        role="img"
        aria-label="Heatmap of ${targets.length} targets and ${sources.length} sources; the table below has its values"
      >
        ${cells}${labels}
      </svg>
    </figure>
    <details>
      <summary>Values</summary>
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">target</th>
              ${sources.map((source) => html`<th scope="col">${source}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${targets.map(
              (target) =>
                html`<tr>
                  <th scope="row">${target}</th>
                  ${sources.map((source) => html`<td>${valueOf(target, source)?.toPrecision(4) ?? '–'}</td>`)}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
}

/** Over the parts; null where one is not finite. */
function meanOf(values: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum / values.length;
}

function shortened(name: string): string {
  return name.length > 26 ? `${name.slice(0, 25)}…` : name;
}

/** @param share 0 to 1 */
export function colour(share: number): string {
  const at = share * (COLOURS.length - 1);
  const index = Math.min(COLOURS.length - 2, Math.floor(at));
  const [from, to] = [COLOURS[index] ?? COLOURS[0], COLOURS[index + 1] ?? COLOURS[0]];
  const mixed = [0, 1, 2].map((k) =>
    Math.round((from[k] ?? 0) + (at - index) * ((to[k] ?? 0) - (from[k] ?? 0))),
  );
  return `rgb(${mixed.join(',')})`;
}

import type { ScoreMatrix } from '../records.js';
import { html, type Html } from './html.js';

const CELL = 26;
/** A label's letters are at most so wide; source labels lean by this angle. */
const LETTER = 6.5;
const LEAN = (60 * Math.PI) / 180;
const MOST_LETTERS = 26;
const [LEGEND_WIDTH, LEGEND_HEIGHT, LEGEND_STEPS] = [160, 10, 24];
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
  const widest = (names: readonly string[]): number =>
    Math.max(...names.map((name) => shortened(name).length)) * LETTER;
  const left = Math.max(60, widest(targets) + 12);
  const top = widest(sources) * Math.sin(LEAN) + 16;
  const width = left + sources.length * CELL + Math.max(20, widest(sources.slice(-3)) * Math.cos(LEAN));
  const bottom = top + targets.length * CELL;
  const height = bottom + LEGEND_HEIGHT + 34;
  const cells = targets.flatMap((target, i) =>
    sources.map((source, j) => {
      const value = valueOf(target, source);
      const own = target === source;
      const title = `${source} on ${target}: ${value === null ? 'not a number' : value.toPrecision(5)}${own ? ' (its own, left out)' : ''}`;
      const [x, y] = [left + j * CELL, top + i * CELL];
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
        html`<text x="${left - 6}" y="${top + i * CELL + 17}" text-anchor="end">${shortened(target)}</text>`,
    ),
    ...sources.map((source, j) => {
      const x = left + j * CELL + 16;
      return html`<text x="${x}" y="${top - 6}" transform="rotate(-60 ${x} ${top - 6})"
        >${shortened(source)}</text
      >`;
    }),
  ];
  const legend = html`<g transform="translate(${left} ${bottom + 10})">
    ${Array.from(
      { length: LEGEND_STEPS },
      (_, step) =>
        html`<rect
          x="${(step * LEGEND_WIDTH) / LEGEND_STEPS}"
          width="${LEGEND_WIDTH / LEGEND_STEPS + 0.5}"
          height="${LEGEND_HEIGHT}"
          fill="${colour(step / (LEGEND_STEPS - 1))}"
        />`,
    )}
    <text y="${LEGEND_HEIGHT + 14}">${(direction === 'lower' ? high : low).toPrecision(3)}</text>
    <text x="${LEGEND_WIDTH}" y="${LEGEND_HEIGHT + 14}" text-anchor="end"
      >${(direction === 'lower' ? low : high).toPrecision(3)}</text
    >
    <text x="${LEGEND_WIDTH + 8}" y="${LEGEND_HEIGHT}">more similar</text>
  </g>`;
  return html`<figure class="wide">
      <svg
        viewBox="0 0 ${width} ${height}"
        width="${width}"
        height="${height}"
        role="img"
        aria-label="Heatmap of ${targets.length} targets and ${sources.length} sources; the table below has its values"
      >
        ${cells}${labels}${compared.length === 0 ? null : legend}
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
  return name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS - 1)}…` : name;
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

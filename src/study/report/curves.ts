import { colour } from './heatmap.js';
import { html, type Html } from './html.js';

const [WIDTH, HEIGHT, MARGIN] = [640, 240, 40];

export interface Curve {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Lines over steps with a legend; each line says what it is when pointed at. */
export function curveChart(title: string, curves: readonly Curve[]): Html {
  const xs = curves.flatMap(({ points }) => points.map(({ x }) => x));
  const ys = curves.flatMap(({ points }) => points.map(({ y }) => y));
  const right = Math.max(1, ...xs);
  const [low, high] = [Math.min(0, ...ys), Math.max(1e-9, ...ys)];
  const x = (value: number): number => MARGIN + (value / right) * (WIDTH - 2 * MARGIN);
  const y = (value: number): number =>
    HEIGHT - MARGIN - ((value - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const stroke = (i: number): string => colour(curves.length === 1 ? 0.4 : (0.9 * i) / (curves.length - 1));
  return html`<svg
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      width="${WIDTH}"
      height="${HEIGHT}"
      role="img"
      aria-label="${title}"
    >
      <path class="axis" d="M${MARGIN} ${MARGIN} V${HEIGHT - MARGIN} H${WIDTH - MARGIN}" />
      <text x="${MARGIN - 4}" y="${y(high) + 4}" text-anchor="end">${high.toFixed(2)}</text>
      <text x="${MARGIN - 4}" y="${y(low) + 4}" text-anchor="end">${low.toFixed(2)}</text>
      <text x="${WIDTH - MARGIN}" y="${HEIGHT - MARGIN + 16}" text-anchor="end">step ${right}</text>
      ${curves.map(
        ({ label, points }, i) =>
          html`<polyline
            fill="none"
            stroke="${stroke(i)}"
            stroke-width="1.8"
            points="${points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(' ')}"
            ><title>${label}</title></polyline
          >`,
      )}
    </svg>
    <ul class="legend">
      ${curves.map(
        ({ label, points }, i) =>
          html`<li>
            <span style="background:${stroke(i)}"></span>${label}: ${points.at(-1)?.y.toFixed(3) ?? ''}
          </li>`,
      )}
    </ul>`;
}

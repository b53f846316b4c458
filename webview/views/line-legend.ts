import { html, nothing, svg, type TemplateResult } from 'lit';
import { DASHES, MARKS, seriesColour, type LineModel } from '../pictures/line-picture.js';
import { PAGE_STRINGS } from '../strings.js';
import { readTheme } from '../theme.js';

/** Which line is which: colour, dashes and mark as the picture draws them. One line alone needs none. */
export function lineLegend({ series }: LineModel): TemplateResult {
  if (series.length < 2) return html``;
  const theme = readTheme();
  return html`<ul class="lines" aria-label=${PAGE_STRINGS.curves.lines}>
    ${series.map(({ label, running }, k) => {
      const colour = seriesColour(theme, k);
      const dashes = DASHES[Math.floor(k / theme.series.length) % DASHES.length] ?? [];
      return html`<li>
        <svg width="30" height="12" aria-hidden="true">
          <line
            x1="0"
            y1="6"
            x2="30"
            y2="6"
            stroke=${colour}
            stroke-width="2"
            stroke-dasharray=${dashes.join(' ')}
          />
          ${mark(MARKS[k % MARKS.length] ?? 'circle', colour)}
        </svg>
        <span>${label}${running ? html` <small>${PAGE_STRINGS.curves.running}</small>` : nothing}</span>
      </li>`;
    })}
  </ul>`;
}

function mark(shape: (typeof MARKS)[number], colour: string): TemplateResult {
  switch (shape) {
    case 'circle':
      return svg`<circle cx="15" cy="6" r="3.5" fill=${colour} />`;
    case 'triangle':
      return svg`<path d="M15 2l4 7h-8z" fill=${colour} />`;
    case 'rect':
      return svg`<path d="M12 3h6v6h-6z" fill=${colour} />`;
    case 'rectRot':
      return svg`<path d="M15 2l4 4-4 4-4-4z" fill=${colour} />`;
  }
}

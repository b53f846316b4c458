import { html, type TemplateResult } from 'lit';
import { button, choicesOf, select } from '../controls.js';
import { writeTable, type TableFormat, type TableModel } from '../models/table.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';

type Format = TableFormat | 'png' | 'svg';

const FORMATS = choicesOf<Format>(PAGE_STRINGS.export.formats);
const ENDINGS: Readonly<Record<Format, string>> = {
  csv: 'csv',
  json: 'json',
  markdown: 'md',
  latex: 'tex',
  png: 'png',
  svg: 'svg',
};
/** For print: twice the size on screen, less where that is beyond what a canvas can hold. */
const PNG_SCALE = 2;
const LONGEST_SIDE = 16_384;

let chosen: Format = 'csv';

/**
 * Copies or saves what a view shows, as a table or as a picture, whichever of the two is on screen.
 *
 * @param picture makes the SVG; null where there is only a table
 */
export function exportBar(
  store: Store,
  name: string,
  table: () => TableModel,
  picture: (() => string) | null,
): TemplateResult {
  const formats =
    picture === null ? FORMATS.filter(({ value }) => value !== 'png' && value !== 'svg') : FORMATS;
  const format = formats.some(({ value }) => value === chosen) ? chosen : 'csv';
  const written = (): string =>
    format === 'png' || format === 'svg' ? (picture?.() ?? '') : writeTable(table(), format);
  return html`<div class="export">
    ${select(PAGE_STRINGS.export.format, formats, format, (value) => {
      chosen = value;
      store.changed();
    })}
    ${button(
      PAGE_STRINGS.export.copy,
      () => void store.ask('copy', { text: written(), what: ENDINGS[format].toUpperCase() }),
      {
        disabled: format === 'png',
        title: format === 'png' ? PAGE_STRINGS.export.onlySaved : PAGE_STRINGS.export.copyTitle,
      },
    )}
    ${button(PAGE_STRINGS.export.save, () => {
      const file = `${name.replaceAll(/[^\w.-]+/g, '-')}.${ENDINGS[format]}`;
      if (format === 'png') {
        rasterise(written()).then(
          (content) => void store.ask('save', { name: file, content }),
          (error: unknown) => store.fail(error),
        );
      } else void store.ask('save', { name: file, content: written() });
    })}
  </div>`;
}

async function rasterise(svg: string): Promise<Uint8Array<ArrayBuffer>> {
  const address = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement('canvas');
    const { naturalWidth, naturalHeight } = image;
    const scale = Math.min(PNG_SCALE, LONGEST_SIDE / Math.max(naturalWidth, naturalHeight));
    canvas.width = Math.floor(naturalWidth * scale);
    canvas.height = Math.floor(naturalHeight * scale);
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    if (blob === null) throw new Error(PAGE_STRINGS.export.tooLarge);
    return new Uint8Array(await blob.arrayBuffer());
  } finally {
    URL.revokeObjectURL(address);
  }
}

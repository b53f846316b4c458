import type { DeltaSettings } from '../../core/delta-settings.js';
import type { CheckpointSummary, LayerSummary, TensorSummary } from '../../runtime/protocol.js';
import type { MergeRecord, RunRecord } from '../../study/records.js';
import { STRINGS } from '../strings.js';
import {
  formatInitialisation,
  formatMergeLabel,
  formatMetric,
  formatSettingName,
  formatShots,
} from '../tree/labels.js';

/** The page of a checkpoint: one document without scripts, made from what the runtime read. Pure. */

export interface CheckpointPage {
  readonly summary: CheckpointSummary;
  /** The record that made it, if it is one of the study's. */
  readonly record: RunRecord | MergeRecord | undefined;
  readonly fileName: string;
  readonly otherName: string | undefined;
}

export function renderPage(page: CheckpointPage, nonce: string): string {
  const { summary, record, fileName, otherName } = page;
  const compared = otherName !== undefined;
  const named = STRINGS.editor.facts;
  const facts: [string, string][] = [
    [named.format, summary.format === 'safetensors' ? 'safetensors' : STRINGS.editor.pytorch],
    [named.size, formatBytes(summary.bytes)],
    [named.tensors, summary.tensors.length.toLocaleString('en')],
    [named.parameters, summary.parameters.toLocaleString('en')],
  ];
  const sections = [
    section(
      STRINGS.editor.settings,
      table([...facts, ...settingsOf(summary.settings ?? record?.delta ?? null)]),
    ),
    record === undefined ? '' : section(STRINGS.editor.provenance, table(provenanceOf(record))),
    record === undefined && Object.keys(summary.metadata).length > 0
      ? section(STRINGS.editor.metadata, table(Object.entries(summary.metadata)))
      : '',
    summary.disagreements.length === 0
      ? ''
      : section(
          STRINGS.editor.disagreements,
          `<ul class="warning">${summary.disagreements.map((line) => `<li>${escape(line)}</li>`).join('')}</ul>`,
        ),
    section(STRINGS.editor.layers, layerTable(summary.layers, compared)),
    section(STRINGS.editor.tensors, tensorTable(summary.tensors, compared)),
  ];
  const subtitle = compared ? `<p>${escape(STRINGS.editor.comparedWith(otherName))}</p>` : '';
  return document(fileName, `<h1>${escape(fileName)}</h1>${subtitle}${sections.join('')}`, nonce);
}

/** What is known of a checkpoint without reading it, and why it was not read. */
export function renderRecord(
  fileName: string,
  record: RunRecord | MergeRecord | undefined,
  note: string,
  nonce: string,
): string {
  const sections =
    record === undefined
      ? []
      : [
          section(STRINGS.editor.settings, table(settingsOf(record.delta))),
          section(STRINGS.editor.provenance, table(provenanceOf(record))),
        ];
  const heading = `<h1>${escape(fileName)}</h1><p role="status">${escape(note)}</p>`;
  return document(fileName, `${heading}${sections.join('')}`, nonce);
}

/** While the file is being read, and when it can't be. */
export function renderMessage(title: string, message: string, nonce: string): string {
  return document(title, `<h1>${escape(title)}</h1><p role="status">${escape(message)}</p>`, nonce);
}

function settingsOf(settings: DeltaSettings | null): [string, string][] {
  if (settings === null) return [];
  return Object.entries(settings).map(([name, value]) => [
    name === 'type' ? STRINGS.editor.delta : capitalised(name),
    Array.isArray(value) ? value.join(', ') : String(value),
  ]);
}

function provenanceOf(record: RunRecord | MergeRecord): [string, string][] {
  const { provenance } = record;
  const named = STRINGS.editor.origin;
  const origin: [string, string][] =
    record.format === 'deltaloom/merge'
      ? [
          [named.mergeFor, record.target],
          [named.weighedBy, formatMergeLabel(record.label)],
          [named.sources, record.sources.map(({ task }) => task).join(', ')],
        ]
      : [
          [named.task, record.task],
          [named.startedFrom, formatInitialisation(record.initialisation)],
          [named.data, STRINGS.editor.data(formatShots(record.shots), record.dataSeed)],
          [named.seed, String(record.seed)],
          [named.dev, formatMetric(record.results.dev)],
          [named.test, formatMetric(record.results.test)],
        ];
  const commit =
    provenance.commit === null
      ? STRINGS.editor.noCommit
      : STRINGS.labels.commit(provenance.commit.slice(0, 10), provenance.branch, provenance.dirty);
  return [
    ...origin,
    [named.commit, commit],
    [named.made, STRINGS.editor.made(provenance.time.replace('T', ' ').slice(0, 19), provenance.seconds)],
    [named.device, provenance.device],
    [
      named.versions,
      Object.entries(provenance.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    [named.hash, record.checkpoint?.sha256 ?? ''],
  ];
}

function layerTable(layers: readonly LayerSummary[], compared: boolean): string {
  const named = STRINGS.editor.heads;
  const most = Math.max(...layers.map(({ norm }) => norm ?? 0), 0);
  const mostDifferent = Math.max(...layers.map(({ difference }) => difference ?? 0), 0);
  const rows = layers.map((layer) => [
    `<th scope="row">${escape(layer.name)}</th>`,
    number(layer.tensors),
    number(layer.parameters),
    `${decimal(layer.norm)}<td>${bar(layer.norm, most)}</td>`,
    compared
      ? `${decimal(layer.difference ?? null)}<td>${bar(layer.difference ?? null, mostDifferent)}</td>`
      : '',
  ]);
  return dataTable(
    [
      head(named.layer),
      numberHead(named.tensors),
      numberHead(named.parameters),
      numberHead(named.norm),
      '<td></td>',
      ...(compared ? [numberHead(named.difference), '<td></td>'] : []),
    ],
    rows,
  );
}

function tensorTable(tensors: readonly TensorSummary[], compared: boolean): string {
  const named = STRINGS.editor.heads;
  const rows = tensors.map((tensor) => [
    `<th scope="row">${escape(tensor.name)}</th>`,
    `<td>${tensor.shape.join(' × ')}</td>`,
    `<td>${escape(tensor.dtype)}</td>`,
    decimal(tensor.norm),
    decimal(tensor.mean),
    decimal(tensor.largest),
    compared ? decimal(tensor.difference ?? null) + decimal(tensor.cosine ?? null) : '',
  ]);
  return dataTable(
    [
      head(named.tensor),
      head(named.shape),
      head(named.type),
      ...[named.norm, named.mean, named.largest].map(numberHead),
      ...(compared ? [named.difference, named.cosine].map(numberHead) : []),
    ],
    rows,
  );
}

function section(title: string, content: string): string {
  return `<section><h2>${escape(title)}</h2>${content}</section>`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(
    ([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`,
  );
  return `<table class="facts">${lines.join('')}</table>`;
}

function dataTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((cells) => `<tr>${cells.join('')}</tr>`).join('');
  return `<div class="scroll"><table class="data"><thead><tr>${header.join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function head(title: string): string {
  return `<th scope="col">${escape(title)}</th>`;
}

function numberHead(title: string): string {
  return `<th scope="col" class="number">${escape(title)}</th>`;
}

function number(value: number): string {
  return `<td class="number">${value.toLocaleString('en')}</td>`;
}

/** A value that is NaN or infinite is what one looks for here: it is marked. */
function decimal(value: number | null): string {
  if (value === null) return `<td class="number broken">${STRINGS.editor.notFinite}</td>`;
  const text =
    value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
      ? value.toExponential(2)
      : value.toFixed(4);
  return `<td class="number">${text}</td>`;
}

/** Widths as SVG attributes: the page's policy forbids inline styles. */
function bar(value: number | null, most: number): string {
  const width = value === null || most === 0 ? 0 : (100 * value) / most;
  return `<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="${width.toFixed(1)}" height="8"/></svg>`;
}

/** 'targetModules' -> 'Target modules' */
function capitalised(name: string): string {
  const words = formatSettingName(name);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function document(title: string, body: string, nonce: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'nonce-${nonce}'">
<title>${escape(title)}</title>
<style nonce="${nonce}">
body { font: var(--vscode-font-size) var(--vscode-font-family); color: var(--vscode-foreground); padding: 8px 20px 32px; }
h1 { font-size: 1.4em; font-weight: 600; margin: 12px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1em; font-weight: 600; margin: 24px 0 8px; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 3px 16px 3px 0; vertical-align: baseline; font-weight: normal; }
.facts th { color: var(--vscode-descriptionForeground); white-space: nowrap; }
.facts td { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.data { font-variant-numeric: tabular-nums; }
.data thead th, .data thead td { color: var(--vscode-descriptionForeground); border-bottom: 1px solid var(--vscode-widget-border, var(--vscode-contrastBorder, transparent)); }
.data tbody tr:hover { background: var(--vscode-list-hoverBackground); }
.data tbody th { font-family: var(--vscode-editor-font-family); white-space: nowrap; }
.data td { white-space: nowrap; }
.data .number { text-align: right; }
.broken { color: var(--vscode-errorForeground); }
.warning { color: var(--vscode-editorWarning-foreground); padding-left: 20px; }
.bar { width: 120px; height: 8px; }
.bar rect { fill: var(--vscode-charts-blue); }
</style>
</head>
<body>${body}</body>
</html>`;
}

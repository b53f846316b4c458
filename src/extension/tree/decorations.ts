import { FileDecoration, ThemeColor, Uri, type FileDecorationProvider } from 'vscode';
import { STRINGS } from '../strings.js';
import { STATE_COLOURS } from './rows.js';

/** Rows that want a decoration carry a URI of this scheme; nothing is ever opened by it. */
const SCHEME = 'deltaloom-row';

const DECORATIONS = {
  stale: new FileDecoration('S', STRINGS.tree.states.stale, new ThemeColor(STATE_COLOURS.warning)),
  failed: new FileDecoration('!', STRINGS.tree.states.failed, new ThemeColor(STATE_COLOURS.error)),
} as const;

export function decorationUri(rowId: string, decoration: keyof typeof DECORATIONS): Uri {
  // The id as fragment: it begins with the path of the study, and a URI's path may not begin with two slashes.
  return Uri.from({ scheme: SCHEME, path: '/row', query: decoration, fragment: rowId });
}

export const rowDecorations: FileDecorationProvider = {
  provideFileDecoration: ({ scheme, query }) =>
    scheme !== SCHEME ? undefined : query === 'stale' || query === 'failed' ? DECORATIONS[query] : undefined,
};

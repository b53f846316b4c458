import { randomBytes } from 'node:crypto';
import { Uri, type Webview } from 'vscode';
import type { PanelKind } from './messages.js';

/** The page of a panel: nothing loads but our own bundle, by nonce; no network, no inline script or style. */
export function panelPage(webview: Webview, extension: Uri, kind: PanelKind, title: string): string {
  const nonce = randomBytes(16).toString('base64url');
  const resource = (name: string) =>
    webview.asWebviewUri(Uri.joinPath(extension, 'dist', 'webview', name)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    // Pictures to be saved are drawn from SVG in memory.
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <link rel="stylesheet" href="${resource('panel.css')}" />
    <title>${escapeHtml(title)}</title>
  </head>
  <body data-panel="${kind}">
    <main id="panel"></main>
    <script type="module" nonce="${nonce}" src="${resource('panel.js')}"></script>
  </body>
</html>
`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

import type { ExtensionContext } from 'vscode';
import { DeltaloomExtension } from './deltaloom-extension.js';
import type { Services } from './services.js';

let extension: DeltaloomExtension | undefined;

/** Builds everything and returns the services, for tests and for other extensions. The workspace is read afterwards. */
export async function activate(context: ExtensionContext): Promise<Services> {
  const start = performance.now();
  extension = new DeltaloomExtension(context);
  await extension.addPanels();
  extension.services.log.info(`Activated in ${(performance.now() - start).toFixed(0)} ms.`);
  return extension.services;
}

/** Ends the runtime with the window, or lets it go on if the user chose so. */
export async function deactivate(): Promise<void> {
  await extension?.end();
}

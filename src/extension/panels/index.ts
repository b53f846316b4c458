import type { ExtensionContext } from 'vscode';
import type { Services } from '../services.js';

/** Registers the panels' commands and serializers. */
export function registerPanels(_context: ExtensionContext, _services: Services): void {}

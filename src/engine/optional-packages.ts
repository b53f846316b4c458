import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

/** A package that a device needs and that is here. */
export interface FoundPackage {
  readonly name: string;
  readonly version: string;
  /** Its package.json, what `require` takes instead of its name, and its folder. */
  readonly entry: string;
  readonly folder: string;
}

/**
 * Where people put packages that devices can do with and that Deltaloom comes without: an installed extension has no folder
 * that one could install into, and this project's own runs no install scripts.
 */
export function devicesFolder(): string {
  return process.env['DELTALOOM_DEVICES'] ?? path.join(os.homedir(), '.deltaloom', 'devices');
}

/** What to type to have a package there. */
export function installCommand(specification: string): string {
  const folder = devicesFolder();
  return `npm install --prefix ${/\s/.test(folder) ? `"${folder}"` : folder} ${specification}`;
}

/** The package in {@link devicesFolder}, if it is there. */
export function findInDevicesFolder(name: string): FoundPackage | undefined {
  return find(name, path.join(devicesFolder(), 'package.json'));
}

/** The package beside this program, as Node finds modules, if it is there. */
export function findBesideProgram(name: string): FoundPackage | undefined {
  return find(name, import.meta.url);
}

/** Loads what was found. */
export function loadPackage({ entry }: FoundPackage): unknown {
  return createRequire(import.meta.url)(entry);
}

function find(name: string, from: string): FoundPackage | undefined {
  const { resolve } = createRequire(from);
  try {
    const manifest = resolve(`${name}/package.json`);
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return { name, version, entry: resolve(name), folder: path.dirname(manifest) };
  } catch {
    return undefined;
  }
}

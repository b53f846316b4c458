import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** What Chromium needs in a container and on a closed network. */
export const CHROMIUM_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The path of a Chromium on this machine: `DELTALOOM_CHROMIUM`, or one of the usual places; undefined if none. */
export function findChromium(): string | undefined {
  const chosen = process.env['DELTALOOM_CHROMIUM'];
  if (chosen !== undefined && chosen !== '') return chosen;
  return PLACES.find((place) => existsSync(place));
}

/** The command that installs Chromium here, for people. */
export const CHROMIUM_REMEDY =
  'Install Chromium (Debian or Ubuntu: apt-get install chromium) or name one in DELTALOOM_CHROMIUM.';

/** Finds Chromium; installs Debian's where this process may. */
export function ensureChromium(log: (line: string) => void): string | undefined {
  const found = findChromium();
  if (found !== undefined) return found;
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall) return undefined;
  log('Installing Chromium for the UI tests (apt-get install chromium) ...');
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', 'chromium'],
  ]) {
    const result = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment });
    if (result.status !== 0) return undefined;
  }
  return findChromium();
}

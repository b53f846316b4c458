import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Fails when a dependency that ships with the product has a licence that MIT software can't carry. */
const ALLOWED = [
  'MIT',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
  'Python-2.0',
  'W3C-20150513',
  // The icon font of @vscode/codicons: attribution, which its own licence file in the package gives.
  'CC-BY-4.0',
];

const root = path.resolve(import.meta.dirname, '..');
const output = execFileSync(
  process.execPath,
  [
    path.join(root, 'node_modules/license-checker-rseidelsohn/bin/license-checker-rseidelsohn.js'),
    '--production',
    '--json',
    '--excludePrivatePackages',
  ],
  { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
);
const packages = JSON.parse(output) as Record<string, { licenses: string | string[] }>;

/** A licence expression is fine when one side of each OR, and every side of an AND, is allowed. */
function isAllowed(expression: string): boolean {
  const bare = expression.replace(/[()*]/g, '').trim();
  if (bare.includes(' OR ')) return bare.split(' OR ').some(isAllowed);
  if (bare.includes(' AND ')) return bare.split(' AND ').every(isAllowed);
  return ALLOWED.includes(bare);
}

const refused = Object.entries(packages).filter(
  ([, { licenses }]) => !isAllowed([licenses].flat().join(' OR ')),
);
for (const [name, { licenses }] of refused)
  console.error(`${name}: ${[licenses].flat().join(', ')} is not on the list in scripts/check-licences.ts`);
console.log(`${Object.keys(packages).length} shipped packages checked, ${refused.length} refused.`);
process.exitCode = refused.length === 0 ? 0 : 1;

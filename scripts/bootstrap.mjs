// Makes a fresh clone ready (Node version, dependencies), then runs a TypeScript script of this project:
//   node scripts/bootstrap.mjs scripts/test.ts [arguments]
// Plain JavaScript, because it must run before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Deltaloom needs Node 20.19 or later; this is ${process.versions.node}. Install a newer Node and run the command again.`,
  );
  process.exit(1);
}

// npm's own marker does not tell whether an install was interrupted or the lock file has changed since.
const stamp = path.join(root, 'node_modules', '.deltaloom-lock');
const lock = createHash('sha256')
  .update(readFileSync(path.join(root, 'package-lock.json')))
  .digest('hex');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.log('Installing dependencies (npm ci) ...');
  const npm = spawnSync('npm', ['ci'], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (npm.status !== 0) {
    console.error(
      'npm ci failed; its message is above. Deltaloom needs the npm registry for this step only.',
    );
    process.exit(npm.status ?? 1);
  }
  writeFileSync(stamp, lock);
}

const [script, ...rest] = process.argv.slice(2);
const result = spawnSync(process.execPath, ['--import', 'tsx', script, ...rest], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(result.status ?? 1);

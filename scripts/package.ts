import { spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

/**
 * `npm run package [-- --target linux-x64]`: makes `dist/packages/deltaloom-<target>-<version>.vsix`, one per platform.
 * The package is staged in a folder of its own: the bundles, the manifest, and of ONNX Runtime only the JavaScript and
 * that platform's libraries.
 */

/** VS Code's target names and where ONNX Runtime keeps that platform's libraries. */
const TARGETS: Readonly<Record<string, string>> = {
  'linux-x64': 'linux/x64',
  'linux-arm64': 'linux/arm64',
  'darwin-arm64': 'darwin/arm64',
  'win32-x64': 'win32/x64',
  'win32-arm64': 'win32/arm64',
};

interface Manifest {
  version: string;
  scripts?: unknown;
  devDependencies?: unknown;
  private?: unknown;
  dependencies: Record<string, string>;
}

const root = path.resolve(import.meta.dirname, '..');
const packages = path.join(root, 'dist', 'packages');
const { values } = parseArgs({ options: { target: { type: 'string', multiple: true } } });
const targets = values.target ?? Object.keys(TARGETS);
const runtime = path.join(root, 'node_modules', 'onnxruntime-node');
const libraries = await findLibraries();

for (const target of targets) {
  if (!(target in TARGETS)) fail(`${target} is no target. Targets: ${Object.keys(TARGETS).join(', ')}.`);
}
const build = spawnSync(process.execPath, ['scripts/build.mjs', '--production'], {
  cwd: root,
  stdio: 'inherit',
});
if (build.status !== 0) fail('The build failed; its message is above.');
await mkdir(packages, { recursive: true });
for (const target of targets) await makePackage(target);

async function makePackage(target: string): Promise<void> {
  const source = path.join(libraries, TARGETS[target] ?? '');
  if ((await stat(source).catch(() => undefined)) === undefined) {
    console.log(`${target}: skipped, this version of onnxruntime-node carries no libraries for it.`);
    return;
  }
  const stage = path.join(packages, `stage-${target}`);
  await rm(stage, { recursive: true, force: true });
  await mkdir(stage, { recursive: true });
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Manifest;
  const version = manifest.dependencies['onnxruntime-node'];
  if (version === undefined) fail('package.json names no onnxruntime-node.');
  // Everything but the native module is in the bundles.
  manifest.dependencies = { 'onnxruntime-node': version };
  delete manifest.scripts;
  delete manifest.devDependencies;
  delete manifest.private;
  await writeFile(path.join(stage, 'package.json'), JSON.stringify(manifest, null, 2));
  for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE', 'media', 'schema', '.vscodeignore']) {
    await copyIfPresent(path.join(root, name), path.join(stage, name));
  }
  // The sample study comes along, without what makes it: it is what 'Open the Sample Study' copies.
  for (const name of ['deltaloom.json', 'backbone', 'tasks', '.deltaloom']) {
    await copyIfPresent(path.join(root, 'sample', name), path.join(stage, 'sample', name));
  }
  await copyIfPresent(path.join(root, 'docs', 'images'), path.join(stage, 'docs', 'images'));
  for (const file of ['cli.js', 'runtime.js', 'extension.cjs', 'staleness.cjs', 'libraries', 'webview']) {
    await cp(path.join(root, 'dist', file), path.join(stage, 'dist', file), {
      recursive: true,
      // An earlier development build may have left its maps there.
      filter: isNeeded,
    });
  }
  await stageRuntime(stage, TARGETS[target] ?? '');
  const output = path.join(packages, `deltaloom-${target}-${manifest.version}.vsix`);
  const vsce = spawnSync(
    process.execPath,
    [
      path.join(root, 'node_modules', '@vscode', 'vsce', 'vsce'),
      'package',
      '--target',
      target,
      '--out',
      output,
      '--skip-license',
      '--allow-missing-repository',
      '--no-rewrite-relative-links',
    ],
    { cwd: stage, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await rm(stage, { recursive: true, force: true });
  if (vsce.status !== 0) fail(`vsce could not make the package for ${target}; its message is above.`);
  const { size } = await stat(output);
  console.log(`${path.relative(root, output)}  ${(size / 2 ** 20).toFixed(1)} MiB`);
}

/** ONNX Runtime's JavaScript, its one dependency, and the libraries of one platform. */
async function stageRuntime(stage: string, platform: string): Promise<void> {
  const modules = path.join(stage, 'node_modules');
  const copied = path.join(modules, 'onnxruntime-node');
  for (const name of ['package.json', 'README.md', 'dist']) {
    await copyIfPresent(path.join(runtime, name), path.join(copied, name));
  }
  const relative = path.join(path.relative(runtime, libraries), platform);
  await cp(path.join(runtime, relative), path.join(copied, relative), {
    recursive: true,
    // On macOS the npm package holds the library twice; the binding loads the one without the full version.
    filter: (file) => !/libonnxruntime\.\d+\.\d+\.\d+\.dylib$/.test(file),
  });
  const dependency = JSON.parse(await readFile(path.join(runtime, 'package.json'), 'utf8')) as Manifest & {
    scripts?: unknown;
  };
  // Its postinstall asks another host; the staged copy has its libraries already. Only onnxruntime-common is needed to run.
  delete dependency.scripts;
  dependency.dependencies = { 'onnxruntime-common': dependency.dependencies['onnxruntime-common'] ?? '' };
  await writeFile(path.join(copied, 'package.json'), JSON.stringify(dependency, null, 2));
  const common = path.join(root, 'node_modules', 'onnxruntime-common');
  await cp(common, path.join(modules, 'onnxruntime-common'), {
    recursive: true,
    filter: (file) =>
      isNeeded(file) &&
      !file.includes(path.join(common, 'dist', 'esm')) &&
      !file.includes(path.join(common, 'lib')),
  });
}

async function copyIfPresent(from: string, to: string): Promise<void> {
  if ((await stat(from).catch(() => undefined)) === undefined) return;
  await cp(from, to, { recursive: true, filter: isNeeded });
}

/** Source maps and type declarations stay out, and what trials have left in the sample: of its weights, those of the sources come along. */
function isNeeded(file: string): boolean {
  return (
    !/\.(map|d\.ts|tsbuildinfo)$/.test(file) &&
    !/\.deltaloom[\\/](cache|logs|predictions)/.test(file) &&
    (!file.endsWith('.safetensors') || /\.source\.|[\\/]backbone[\\/]/.test(file))
  );
}

async function findLibraries(): Promise<string> {
  const bin = path.join(runtime, 'bin');
  const version = (await readdir(bin)).find((name) => name.startsWith('napi-'));
  if (version === undefined) return fail('onnxruntime-node carries no libraries: run npm ci again.');
  return path.join(bin, version);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

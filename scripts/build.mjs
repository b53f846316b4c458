// Bundles the four programs of the package into dist/: the command line, the runtime child process, the
// extension and the browser side of the panels. `--watch` keeps rebuilding.
import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import esbuild from 'esbuild';

const watch = process.argv.includes('--watch');
const production = process.argv.includes('--production');

/** @type {esbuild.BuildOptions} */
const shared = {
  bundle: true,
  sourcemap: production ? false : 'linked',
  minify: production,
  logLevel: 'warning',
  target: 'es2022',
  // Native or optional modules are found at run time, never bundled.
  external: ['vscode', 'onnxruntime-node', '@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'],
};

const esmBanner = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`;

/** @type {esbuild.BuildOptions[]} */
const programs = [
  {
    ...shared,
    entryPoints: { cli: 'src/cli/main.ts', runtime: 'src/runtime/main.ts' },
    outdir: 'dist',
    platform: 'node',
    format: 'esm',
    banner: { js: esmBanner },
  },
  {
    ...shared,
    entryPoints: {
      extension: 'src/extension/extension.ts',
      staleness: 'src/extension/studies/staleness-worker.ts',
    },
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    platform: 'node',
    format: 'cjs',
  },
  {
    ...shared,
    entryPoints: { panel: 'webview/main.ts' },
    outdir: 'dist/webview',
    platform: 'browser',
    format: 'esm',
    loader: { '.css': 'css' },
  },
]
  .map((program) => ({
    ...program,
    entryPoints: Object.fromEntries(
      Object.entries(program.entryPoints).filter(([, entry]) => existsSync(entry)),
    ),
  }))
  .filter((program) => Object.keys(program.entryPoints).length > 0);

for (const program of programs) {
  if (watch) {
    const context = await esbuild.context(program);
    await context.watch();
  } else {
    await esbuild.build(program);
  }
}
if (existsSync('dist/cli.js')) await chmod('dist/cli.js', 0o755);

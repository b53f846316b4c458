// Bundles the four programs of the package into dist/: the command line, the runtime child process, the
// extension and the browser side of the panels. `--watch` keeps rebuilding.
import { chmod } from 'node:fs/promises';
import esbuild from 'esbuild';

const watch = process.argv.includes('--watch');
const production = process.argv.includes('--production');

/**
 * zod's messages in fifty languages are more than half of its code, and nothing here asks for one but English.
 *
 * @type {esbuild.Plugin}
 */
const englishOnly = {
  name: 'English only',
  setup(build) {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/** @type {esbuild.BuildOptions} */
const shared = {
  bundle: true,
  sourcemap: production ? false : 'linked',
  minify: production,
  logLevel: 'warning',
  target: 'es2022',
  // Native or optional modules are found at run time, never bundled.
  external: ['vscode', 'onnxruntime-node', '@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'],
  plugins: [englishOnly],
};

const esmBanner = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`;

/**
 * What the extension does not need to open a window, each in a file of its own that is read with the first need: they are
 * two thirds of its code, and reading code holds the extension host. By the name they are imported by.
 *
 * @type {Record<string, string>}
 */
const libraries = {
  zod: 'zod',
  'simple-git': 'simple-git',
  'vscode-jsonrpc/node.js': 'vscode-jsonrpc',
};

/** @type {esbuild.Plugin} */
const librariesApart = {
  name: 'libraries apart',
  setup(build) {
    build.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      path in libraries && kind !== 'entry-point'
        ? { path: `./libraries/${libraries[path]}.cjs`, external: true }
        : undefined,
    );
  },
};

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
    plugins: [englishOnly, librariesApart],
  },
  {
    ...shared,
    entryPoints: Object.fromEntries(Object.entries(libraries).map(([from, to]) => [to, from])),
    outdir: 'dist/libraries',
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
];

for (const program of programs) {
  if (watch) {
    const context = await esbuild.context(program);
    await context.watch();
  } else {
    await esbuild.build(program);
  }
}
await chmod('dist/cli.js', 0o755);

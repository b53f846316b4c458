import eslint from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * The house rule: imports point downward only (docs/architecture.md). Each entry names a room and the
 * rooms it must not reach.
 */
const rooms = ['core', 'model', 'engine', 'formats', 'study', 'runtime', 'cli', 'extension'];
const mayImport = {
  core: [],
  model: ['core'],
  engine: ['core'],
  formats: ['core'],
  study: ['core', 'model', 'engine', 'formats'],
  runtime: ['core', 'model', 'engine', 'formats', 'study'],
  cli: ['core', 'model', 'engine', 'formats', 'study', 'runtime'],
  extension: ['core', 'model', 'engine', 'formats', 'study', 'runtime'],
};
const zones = rooms.flatMap((room) =>
  rooms
    .filter((other) => other !== room && !mayImport[room].includes(other))
    .map((other) => ({
      target: `./src/${room}`,
      from: `./src/${other}`,
      message: `src/${room} must not import src/${other}: imports point downward only (docs/architecture.md).`,
    })),
);
zones.push(
  ...['model', 'engine', 'formats', 'study', 'runtime', 'cli'].map((other) => ({
    target: './webview',
    from: `./src/${other}`,
    message: 'webview imports src/core and the message contract in src/extension/panels/messages.ts only.',
  })),
  {
    target: './webview',
    from: './src/extension',
    except: ['./panels/messages.ts'],
    message: 'webview imports src/core and the message contract in src/extension/panels/messages.ts only.',
  },
  { target: './src', from: './webview', message: 'src never imports the webview.' },
);

export default tseslint.config(
  {
    ignores: ['dist/**', 'coverage/**', 'node_modules/**', 'bench/peers/**', '.cache/**', 'test-results/**'],
  },
  eslint.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'scripts/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/core/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(node:|vscode$|@tensorflow|onnxruntime|fs$|path$|os$)',
              message: 'src/core is pure: no I/O, no vscode, no tensor library.',
            },
          ],
        },
      ],
      'no-restricted-globals': ['error', 'process', 'Buffer', 'require'],
    },
  },
  {
    files: ['src/{model,engine,formats,study,runtime,cli}/**/*.ts', 'webview/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'vscode', message: 'Only src/extension imports vscode.' }] },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  prettier,
);

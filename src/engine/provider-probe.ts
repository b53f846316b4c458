import { execFile } from 'node:child_process';

/** A driver that is asked for its GPU may take seconds to wake it, not more. */
const PATIENCE_MS = 30_000;

/** Runs in the child: the path of ONNX Runtime, the model in base64, the provider. It prints nothing but why it failed. */
const ASK = `
const [path, model, provider] = process.argv.slice(1);
async function ask() {
  const options = { executionProviders: [provider], logSeverityLevel: 4 };
  const session = await require(path).InferenceSession.create(Buffer.from(model, 'base64'), options);
  await session.release();
}
ask().then(
  () => process.exit(0),
  (error) => process.stdout.write(error.message, () => process.exit(1)),
);
`;

/**
 * Opens a session on a GPU provider in a process of its own: what the libraries of GPUs print there stays there, and a driver
 * that crashes or hangs takes nothing with it.
 *
 * @throws Error whose message says why the provider can't be used
 */
export function askInChild(runtime: string, model: Uint8Array, provider: string): Promise<void> {
  const words = ['-e', ASK, runtime, Buffer.from(model).toString('base64'), provider];
  return new Promise((resolve, reject) => {
    const options = { timeout: PATIENCE_MS, env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } };
    execFile(process.execPath, words, options, (error, stdout) => {
      if (error === null) resolve();
      else if (error.killed === true) reject(new Error(`it gave no answer in ${PATIENCE_MS / 1000} s`));
      else if (error.signal != null) reject(new Error(`its driver crashed with ${error.signal}`));
      else reject(new Error(stdout.trim() === '' ? error.message : stdout.trim()));
    });
  });
}

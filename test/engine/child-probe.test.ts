import { describe, expect, it } from 'vitest';
import { askInChild, ProbeFailure } from '../../src/engine/child-probe.js';

describe('a question that is asked in a process of its own', () => {
  it('is answered', async () => {
    await expect(askInChild('process.stdout.write(process.argv[1])', ['yes'])).resolves.toBe('yes');
  });

  it('is answered with why not, in one line, and what was printed', async () => {
    const saying = "console.error('noise'); process.stdout.write('no GPU', () => process.exit(1))";
    const failure = await askInChild(saying, []).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProbeFailure);
    expect(failure).toMatchObject({ message: 'no GPU', printed: 'noise\n' });
    await expect(askInChild("require('/nowhere')", [])).rejects.toThrow(
      /^Error: Cannot find module '\/nowhere'$/,
    );
    await expect(askInChild('null.gpu', [])).rejects.toThrow(/^TypeError: [^\n]*$/);
  });

  it('may crash', async () => {
    const crashing =
      "console.error('noise'); process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 9000)";
    await expect(askInChild(crashing, [])).rejects.toThrow('its driver crashed with SIGSEGV');
  });
});

import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What runs on the other side, and the packages it needs. */
export interface PeerScript {
  readonly script: string;
  readonly needs: readonly string[];
}
const ENGINE_PEER: PeerScript = {
  script: fileURLToPath(new URL('./peers/t5_peer.py', import.meta.url)),
  needs: ['torch', 'transformers'],
};

export interface PeerAnswer {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly loss?: number;
  readonly tokens?: number;
  readonly gflops?: number;
  readonly peakBytes?: number;
  readonly [key: string]: unknown;
}

/** PyTorch in a process of its own, asked one thing at a time. */
export class Peer {
  private readonly answers: AsyncIterator<string>;

  private constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    lines: Interface,
  ) {
    this.answers = lines[Symbol.asyncIterator]();
  }

  /**
   * Starts it with the Python of `DELTALOOM_PEER_PYTHON` (or `python3`); a sentence saying why where a package it needs is
   * missing.
   */
  static start(threads: number, { script, needs } = ENGINE_PEER): Peer | string {
    const python = process.env['DELTALOOM_PEER_PYTHON'] ?? 'python3';
    const check = spawnSync(python, ['-c', `import ${needs.join(', ')}`], { encoding: 'utf8' });
    if (check.error !== undefined || check.status !== 0) {
      const reason = check.error?.message ?? check.stderr.trim().split('\n').at(-1) ?? '';
      return `${needs.join(' and ')} can't be imported by ${python} (${reason}); set DELTALOOM_PEER_PYTHON. Only our side is measured.`;
    }
    const env = {
      ...process.env,
      DELTALOOM_BENCH_THREADS: String(threads),
      OMP_NUM_THREADS: String(threads),
    };
    const child = spawn(python, [script], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (chunk: Buffer) => {
      if (process.env['DELTALOOM_BENCH_VERBOSE'] !== undefined) process.stderr.write(chunk);
    });
    return new Peer(child, createInterface({ input: child.stdout }));
  }

  async ask(command: Readonly<Record<string, unknown>>): Promise<PeerAnswer> {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    const next = await this.answers.next();
    if (next.done === true) throw new Error('The PyTorch peer ended; DELTALOOM_BENCH_VERBOSE=1 shows why.');
    const answer = JSON.parse(next.value) as PeerAnswer & { error?: string };
    if (answer.error !== undefined) throw new Error(`The PyTorch peer: ${answer.error}`);
    return answer;
  }

  stop(): void {
    this.child.stdin.end();
  }
}

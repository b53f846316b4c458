import type { RuntimeProgram } from './process.js';
import type { SessionSettings } from './protocol.js';

/** Every wait of the client, in milliseconds. */
export interface RuntimeTimeouts {
  /** From the start of the process to its greeting. */
  readonly start: number;
  /** To reach a runtime that another window left. */
  readonly join: number;
  /** Silence of a runtime that is at work: native calls block its heartbeat, so this is generous. */
  readonly hang: number;
  /** From 'cancel' to the end of the process if the job does not stop by itself. */
  readonly cancel: number;
  /** From asking the process to end to ending it. */
  readonly softKill: number;
  /** A runtime that lived this long was well: its end begins a new count of restarts. */
  readonly stable: number;
  /** Before the first, second and third restart; their number is the number of restarts. */
  readonly backOff: readonly number[];
}

export const DEFAULT_TIMEOUTS: RuntimeTimeouts = {
  start: 20_000,
  join: 2_000,
  hang: 300_000,
  cancel: 30_000,
  softKill: 3_000,
  stable: 600_000,
  backOff: [500, 2_000, 8_000],
};

export type ClientState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly pid: number }
  | { readonly kind: 'restarting'; readonly attempt: number; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string };

export type ClientLog = (level: 'info' | 'warn' | 'error', line: string) => void;

export interface RuntimeClientOptions {
  /** Asked at every start, so that changed settings hold after the next one. */
  readonly program: () => RuntimeProgram;
  readonly settings: () => SessionSettings;
  readonly log: ClientLog;
  /** Asked whenever one is needed, so that changed settings hold at once. What is missing has its default. */
  readonly timeouts?: () => Partial<RuntimeTimeouts>;
}

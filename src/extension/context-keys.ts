import { commands, type Memento } from 'vscode';
import { collectContext, collectSteps, STEP_KEYS, type Situation } from './context-values.js';
import { MEMORY } from './identifiers.js';

/** When a walkthrough that was opened listens: the first is enough unless the machine is busy. */
const LISTENS_MS = [1000, 3000, 10_000];

/** Tells VS Code what changed, and nothing else. */
export class ContextKeys {
  private readonly told = new Map<string, boolean | string>();
  private readonly steps: Set<string>;

  constructor(private readonly memory: Memento) {
    this.steps = new Set(memory.get<string[]>(MEMORY.steps) ?? []);
  }

  update(situation: Situation): void {
    const before = this.steps.size;
    for (const step of collectSteps(situation)) this.steps.add(step);
    if (this.steps.size > before) void this.memory.update(MEMORY.steps, [...this.steps]);
    const news: string[] = [];
    for (const [key, value] of Object.entries(collectContext(situation, this.steps))) {
      if (this.told.get(key) === value) continue;
      this.told.set(key, value);
      if (!STEP_KEYS.has(key)) set(key, value);
      else if (value === true) news.push(key);
    }
    signal(news);
  }

  /** A walkthrough may have been opened: it has not heard of the steps that were done before. */
  walkthroughOpened(): void {
    const done = () => [...STEP_KEYS].filter((key) => this.told.get(key) === true);
    for (const pause of LISTENS_MS) setTimeout(() => signal(done()), pause).unref();
  }
}

/**
 * VS Code ticks a step in the moment in which its key becomes true, and never a step whose key was true when the walkthrough
 * was first looked at. So the keys of the steps are true for a moment only, and may become so again.
 */
function signal(keys: readonly string[]): void {
  for (const key of keys) {
    set(key, true);
    set(key, false);
  }
}

function set(key: string, value: boolean | string): void {
  void commands.executeCommand('setContext', key, value);
}

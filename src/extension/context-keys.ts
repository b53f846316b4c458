import { commands, type Memento } from 'vscode';
import { collectContext, type Situation } from './context-values.js';
import { MEMORY } from './identifiers.js';

/** Tells VS Code what changed, and nothing else. */
export class ContextKeys {
  private readonly told = new Map<string, boolean | string>();
  private readonly steps: Set<string>;

  constructor(private readonly memory: Memento) {
    this.steps = new Set(memory.get<string[]>(MEMORY.steps) ?? []);
  }

  update(situation: Situation): void {
    const before = this.steps.size;
    for (const job of situation.jobs) if (job.state === 'done') this.steps.add(job.request.kind);
    if (this.steps.size > before) void this.memory.update(MEMORY.steps, [...this.steps]);
    for (const [key, value] of Object.entries(collectContext(situation, this.steps))) {
      if (this.told.get(key) === value) continue;
      this.told.set(key, value);
      void commands.executeCommand('setContext', key, value);
    }
  }
}

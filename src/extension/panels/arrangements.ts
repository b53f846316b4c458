import type { Memento } from 'vscode';
import { z } from 'zod';
import { MEMORY } from '../identifiers.js';
import { arrangementSchema, PANEL_KINDS, type Arrangement, type PanelKind } from './messages.js';

/** Panels remembered at most; those that were arranged longest ago are forgotten. */
const MOST = 40;

const remembered = z.array(z.object({ kind: z.enum(PANEL_KINDS), arrangement: arrangementSchema }));

/**
 * How every panel was arranged last. VS Code keeps the page's own state too, but in the browser it writes it down only every
 * few seconds: what was arranged just before a reload would be lost.
 */
export class Arrangements {
  constructor(private readonly memory: Pick<Memento, 'get' | 'update'>) {}

  /** @param study the folder of the panel's study; null: not known, then that of the last panel of this kind */
  of(kind: PanelKind, study: string | null): Arrangement | null {
    const last = this.read().findLast(
      (entry) => entry.kind === kind && (study === null || entry.arrangement.study === study),
    );
    return last?.arrangement ?? null;
  }

  async keep(kind: PanelKind, arrangement: Arrangement): Promise<void> {
    const others = this.read().filter(
      (entry) => entry.kind !== kind || entry.arrangement.study !== arrangement.study,
    );
    await this.memory.update(MEMORY.panels, [...others, { kind, arrangement }].slice(-MOST));
  }

  private read(): z.infer<typeof remembered> {
    return remembered.safeParse(this.memory.get(MEMORY.panels)).data ?? [];
  }
}

import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { GRANULARITIES, SCORE_METHODS } from '../../core/methods.js';
import { explainWriteError, systemErrorCode } from '../../formats/atomic-file.js';
import { provenanceSchema, scoreCellSchema } from '../records.js';

/**
 * Finished cells, one line each, until the matrices are written: a process killed at any moment loses at most the cell in
 * hand. The last line of a killed process may be torn; it is passed over.
 */

const matrixId = z.object({
  method: z.enum(SCORE_METHODS),
  granularity: z.enum(GRANULARITIES),
  parts: z.array(z.string()).min(1),
});

const entrySchema = z.discriminatedUnion('kind', [
  /** Begins what one process did; the cells after it carry this provenance. */
  z.object({ kind: z.literal('session'), provenance: provenanceSchema }),
  z.object({
    kind: z.literal('cell'),
    ...matrixId.shape,
    cell: scoreCellSchema.omit({ provenance: true }),
    /** Time that this cell took, in seconds. */
    seconds: z.number(),
  }),
]);
export type JournalEntry = z.infer<typeof entrySchema>;
export type JournalCell = Extract<JournalEntry, { kind: 'cell' }>;

export class CellJournal {
  constructor(private readonly file: string) {}

  async read(): Promise<JournalEntry[]> {
    let text: string;
    try {
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
    return text.split('\n').flatMap((line) => parseEntry(line) ?? []);
  }

  /** Entries that belong together are written in one call: all or none of them survive a kill. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    if (entries.length === 0) return;
    try {
      await mkdir(dirname(this.file), { recursive: true });
      await appendFile(this.file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    } catch (error) {
      throw explainWriteError(error, this.file);
    }
  }

  /** Once its cells are in the matrices. */
  async clear(): Promise<void> {
    await rm(this.file, { force: true });
  }
}

function parseEntry(line: string): JournalEntry | null {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

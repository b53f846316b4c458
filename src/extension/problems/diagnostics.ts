import { stat } from 'node:fs/promises';
import { Diagnostic, DiagnosticSeverity, languages, Range, Uri, workspace, type Disposable } from 'vscode';
import type { StudyProblem } from '../../study/snapshot.js';
import type { Study } from '../services.js';
import { resolveInStudy } from '../../study/paths.js';
import { locateProblem } from './diagnostics-location.js';
import { withoutDoubles } from './doubles.js';

const SOURCE = 'deltaloom';

/** Puts the problems of the studies into the Problems panel, at the property or line they speak of. */
export class StudyDiagnostics implements Disposable {
  private readonly collection = languages.createDiagnosticCollection(SOURCE);
  /** Files with diagnostics, per study: those without any more are cleared. */
  private readonly files = new Map<string, Set<string>>();
  /** All that was found, by the file's URI; what another source says too is not shown. */
  private readonly found = new Map<string, readonly Diagnostic[]>();
  private readonly listening = languages.onDidChangeDiagnostics(({ uris }) => {
    for (const uri of uris) if (this.found.has(uri.toString())) this.publish(uri);
  });
  /** The update that counts, per study: an earlier one that still reads files must not put back what was mended. */
  private readonly latest = new Map<string, symbol>();

  /** @param found the snapshot's own problems, and those of a check if one was made */
  async update(study: Study, found: readonly StudyProblem[]): Promise<void> {
    const turn = Symbol(study.directory);
    this.latest.set(study.directory, turn);
    const byFile = new Map<string, StudyProblem[]>();
    for (const problem of found) {
      const file = resolveInStudy(study.directory, problem.file);
      byFile.set(file, [...(byFile.get(file) ?? []), problem]);
    }
    const before = this.files.get(study.directory) ?? new Set();
    this.files.set(study.directory, new Set(byFile.keys()));
    for (const file of before) if (!byFile.has(file)) this.withdraw(file);
    for (const [file, problems] of byFile) {
      const uri = Uri.file(file);
      const needsText = problems.some(({ path, line }) => path !== undefined || line !== undefined);
      const text = needsText ? await readText(uri) : '';
      if (this.latest.get(study.directory) !== turn) return;
      this.found.set(
        uri.toString(),
        problems.map((problem) => toDiagnostic(problem, text)),
      );
      this.publish(uri);
    }
  }

  forget(directory: string): void {
    this.latest.delete(directory);
    for (const file of this.files.get(directory) ?? []) this.withdraw(file);
    this.files.delete(directory);
  }

  dispose(): void {
    this.listening.dispose();
    this.collection.dispose();
  }

  /** Setting diagnostics is news of its own: what is shown already is not set again. */
  private publish(uri: Uri): void {
    const others = languages.getDiagnostics(uri).filter(({ source }) => source !== SOURCE);
    const wanted = withoutDoubles(this.found.get(uri.toString()) ?? [], others);
    const shown = this.collection.get(uri) ?? [];
    const same =
      shown.length === wanted.length && wanted.every((diagnostic, index) => shown[index] === diagnostic);
    if (!same) this.collection.set(uri, wanted);
  }

  private withdraw(file: string): void {
    const uri = Uri.file(file);
    this.found.delete(uri.toString());
    this.collection.delete(uri);
  }
}

async function readText(uri: Uri): Promise<string> {
  // As in the editor, unsaved changes included: that is where the underline is drawn.
  const open = workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open !== undefined) return open.getText();
  const { size } = await stat(uri.fsPath).catch(() => ({ size: 0 }));
  if (size === 0 || size > 4 * 1024 * 1024) return '';
  return Buffer.from(await workspace.fs.readFile(uri)).toString('utf8');
}

function toDiagnostic(problem: StudyProblem, text: string): Diagnostic {
  const { start, end } = locateProblem(problem, text);
  const diagnostic = new Diagnostic(
    new Range(start.line, start.character, end.line, end.character),
    `${problem.message} ${problem.remedy}`.trim(),
    problem.severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
  );
  diagnostic.source = SOURCE;
  diagnostic.code = problem.code;
  return diagnostic;
}

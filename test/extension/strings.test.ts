import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { collectShownTexts, listSources } from '../support/shown-texts.js';

const folder = path.resolve(import.meta.dirname, '..', '..', 'src', 'extension');

/** What errors and the log say is said where it happens. */
function saidElsewhere(literal: ts.Node): boolean {
  for (let at = literal.parent; !ts.isSourceFile(at); at = at.parent) {
    if (ts.isNewExpression(at) && /Error$/.test(at.expression.getText())) return true;
    if (ts.isCallExpression(at) && /(^|\.)(log|info)$/.test(at.expression.getText())) return true;
  }
  return false;
}

function collectSentences(file: string): string[] {
  const code = readFileSync(path.join(folder, file), 'utf8');
  return collectShownTexts(code, saidElsewhere).map((text) => `${file}: ${text}`);
}

describe('what the extension says', () => {
  it('stands in one place', () => {
    const others = listSources(folder).filter((file) => file !== 'strings.ts');
    expect(others.length).toBeGreaterThan(50);
    expect(others.flatMap(collectSentences)).toEqual([]);
  });

  it('is recognised as what is said', () => {
    expect(collectSentences('strings.ts').length).toBeGreaterThan(150);
  });
});

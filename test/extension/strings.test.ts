import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..', '..', 'src', 'extension');

/** What a person would read: two words in a row, or one that begins like a title. Markup and settings of a page are neither. */
const READ = /^(?!<|img-src)[^]*[A-Za-z]{2,},? [A-Za-z]{2,}|^[A-Z][a-z]+…?$/;

/** What errors and the log say is said where it happens. */
function saidElsewhere(node: ts.Node): boolean {
  for (let at = node.parent; !ts.isSourceFile(at); at = at.parent) {
    if (ts.isNewExpression(at) && /Error$/.test(at.expression.getText())) return true;
    if (ts.isCallExpression(at) && /(^|\.)(log|info)$/.test(at.expression.getText())) return true;
  }
  return false;
}

function collectSentences(file: string): string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(path.join(folder, file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) return;
    const text = ts.isStringLiteralLike(node)
      ? node.text
      : ts.isTemplateExpression(node)
        ? [node.head.text, ...node.templateSpans.map(({ literal }) => `0${literal.text}`)].join('')
        : '';
    if (READ.test(text) && !saidElsewhere(node)) found.push(`${file}: ${text}`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('what the extension says', () => {
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.ts'));

  it('stands in one place', () => {
    const others = files.filter((file) => file !== 'strings.ts');
    expect(others.length).toBeGreaterThan(50);
    expect(others.flatMap(collectSentences)).toEqual([]);
  });

  it('is recognised as what is said', () => {
    expect(collectSentences('strings.ts').length).toBeGreaterThan(150);
  });
});

import { readdirSync } from 'node:fs';
import ts from 'typescript';

/** What the code of a folder says to people, for the tests that hold it in one place. */

/** Stands for what a template puts in. */
const VALUE = '0';
/**
 * What a person would read: two words, perhaps with a value or an article between, or one that begins like a title. Markup and
 * settings of a page are neither.
 */
const READ = /^(?!<|img-src)[^]*[A-Za-z]{2,},? ([0a] )?[A-Za-z]{2,}|^[A-Z][a-z]+…?$/;
/** Between tags even one small word is read. */
const WORD = /[A-Za-z]{2,}/;
/** Attributes of elements that are shown or spoken. */
const SPOKEN = new Set(['aria-label', 'aria-valuetext', 'label', 'placeholder', 'title']);
const TAG = /<!--[^]*?-->|<\/?[A-Za-z][^\s>/]*((?:\s+[^\s=>/]+(?:=(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)\s*\/?>/g;
const ATTRIBUTE = /([^\s=>/]+)=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g;
const ENTITY = /&#?\w+;/g;
/** Where a tag stood. */
const SEAM = '\0';

/** TypeScript files of a folder, relative to it. */
export function listSources(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.ts'));
}

/**
 * Texts for people in a source file: in literals, and in lit's templates between tags and in attributes.
 *
 * @param saidElsewhere literals that a rule of the folder leaves where they are
 */
export function collectShownTexts(
  code: string,
  saidElsewhere: (literal: ts.Node) => boolean = () => false,
): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) return;
    if (ts.isTaggedTemplateExpression(node) && /^(html|svg)$/.test(node.tag.getText())) {
      found.push(...textsOfMarkup(templateText(node.template)));
      // What is put in is code again; what is left of the template was read as markup.
      if (ts.isTemplateExpression(node.template)) {
        node.template.templateSpans.forEach(({ expression }) => visit(expression));
      }
      return;
    }
    if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
      const text = templateText(node);
      if (READ.test(text) && !isForCode(node) && !saidElsewhere(node)) found.push(text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('source.ts', code, ts.ScriptTarget.Latest, true));
  return found;
}

function templateText(node: ts.StringLiteralLike | ts.TemplateExpression): string {
  return ts.isTemplateExpression(node)
    ? [node.head.text, ...node.templateSpans.map(({ literal }) => `${VALUE}${literal.text}`)].join('')
    : node.text;
}

/** What values are compared with (names of keys), and classes of elements. */
function isForCode({ parent }: ts.Node): boolean {
  if (ts.isCaseClause(parent)) return true;
  if (!ts.isBinaryExpression(parent)) return false;
  const { left, operatorToken } = parent;
  return operatorToken.kind === ts.SyntaxKind.EqualsToken
    ? ts.isPropertyAccessExpression(left) && left.name.text === 'className'
    : operatorToken.kind === ts.SyntaxKind.EqualsEqualsEqualsToken ||
        operatorToken.kind === ts.SyntaxKind.ExclamationEqualsEqualsToken;
}

function textsOfMarkup(markup: string): string[] {
  const spoken = [...markup.matchAll(TAG)].flatMap(([, attributes = '']) =>
    [...attributes.matchAll(ATTRIBUTE)].flatMap(([, name = '', ...values]) =>
      SPOKEN.has(name) ? [values.join('')] : [],
    ),
  );
  return [...markup.replaceAll(TAG, SEAM).split(SEAM), ...spoken]
    .map((text) => text.replaceAll(ENTITY, ' ').replaceAll(/\s+/g, ' ').trim())
    .filter((text) => WORD.test(text));
}

/** Entries of a catalogue of texts, group by group, that no source names in full or takes out of their group. */
export function listUnsaid(
  catalogue: string,
  texts: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>,
  sources: string,
): string[] {
  return Object.entries(texts).flatMap(([group, entries]) => {
    if (typeof entries === 'string') return [];
    const taken = [...sources.matchAll(new RegExp(`\\{([^{}]*)\\}\\s*=\\s*${catalogue}\\.${group}\\b`, 'g'))];
    const names = new Set(taken.flatMap(([, list]) => (list ?? '').split(',').map((name) => name.trim())));
    return Object.keys(entries)
      .filter(
        (name) => !names.has(name) && !new RegExp(`\\b${catalogue}\\.${group}\\.${name}\\b`).test(sources),
      )
      .map((name) => `${group}.${name}`);
  });
}

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGE_STRINGS } from '../../webview/strings.js';
import { collectShownTexts, listSources, listUnsaid } from '../support/shown-texts.js';

const folder = path.resolve(import.meta.dirname, '..', '..', 'webview');
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
const others = listSources(folder).filter((file) => file !== 'strings.ts');

describe("what the panels' pages say", () => {
  it('stands in one place', () => {
    expect(others.length).toBeGreaterThan(35);
    const texts = others.flatMap((file) => collectShownTexts(read(file)).map((text) => `${file}: ${text}`));
    expect(texts).toEqual([]);
  });

  it('is recognised as what is said', () => {
    expect(collectShownTexts(read('strings.ts')).length).toBeGreaterThan(150);
  });

  it('is all said somewhere', () => {
    expect(listUnsaid('PAGE_STRINGS', PAGE_STRINGS, others.map(read).join('\n'))).toEqual([]);
  });
});

describe('the search for shown texts', () => {
  it.each([
    ['a word between tags', 'html`<dt>Entropy</dt>`', ['Entropy']],
    ['a small one', 'html`<small>running</small>`', ['running']],
    ['one beside a value', 'html`<dd>${entropy} nats</dd>`', ['0 nats']],
    ['one after a tag alone', 'html`<i class="own"></i> left out`', ['left out']],
    ['lines of one paragraph', 'html`<p>\n  Read\n  this\n</p>`', ['Read this']],
    ["a drawing's", 'svg`<text x="1">Loss</text>`', ['Loss']],
    ['what is spoken', 'html`<ul aria-label="Lines" class="two words"></ul>`', ['Lines']],
    ['a title around a value', 'html`<a href="#" title="Sort by ${name}">${name}</a>`', ['Sort by 0']],
    ['templates in templates', 'html`${on ? html`<b>Bold</b>` : nothing}`', ['Bold']],
    ['literals in templates', "html`<p>${on ? 'Best of each row' : ''}</p>`", ['Best of each row']],
    ['a label', "button('Dismiss', clicked)", ['Dismiss']],
    ['words around a value', 'say(`All ${count} parts`)', ['All 0 parts']],
    ['an error that is shown', "throw new Error('It is too large.')", ['It is too large.']],
  ])('finds %s', (_, code, texts) => {
    expect(collectShownTexts(code)).toEqual(texts);
  });

  it.each([
    ['markup', 'html`<p class="muted small" role="status" @click=${() => go()}>${text}&nbsp;·</p >`'],
    ['comments in markup', 'html`<!-- not for people -->`'],
    ['paths of drawings', 'svg`<path d="M15 2l4 7h-8z" fill=${colour} />`'],
    ['classes', "readout.className = 'readout muted'"],
    ['names of keys', "if (key === 'Enter' || key !== 'Tab') switch (key) { case 'Home': }"],
    ['keys and events', "load(`matrix ${version} ${id}`, 'matrix'); new CustomEvent('choose')"],
    ['imports and types', "import 'two words'; let state: 'Done' | 'in progress'"],
  ])('passes over %s', (_, code) => {
    expect(collectShownTexts(code)).toEqual([]);
  });

  it('takes what a rule leaves elsewhere for none', () => {
    expect(
      collectShownTexts("log('Opened a study'); say('Choose a study')", ({ parent }) =>
        parent.getText().startsWith('log('),
      ),
    ).toEqual(['Choose a study']);
  });

  it('finds entries that nothing says', () => {
    const texts = { product: 'Name', page: { one: '', two: '', three: '' } };
    expect(listUnsaid('TEXTS', texts, 'say(TEXTS.page.one); const { two } = TEXTS.page;')).toEqual([
      'page.three',
    ]);
  });
});

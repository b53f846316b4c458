/** Offsets into a text, end exclusive. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export interface PropertyRanges {
  /** The quoted name; undefined for an array element and for the whole document. */
  readonly name: TextRange | undefined;
  readonly value: TextRange;
}

type Path = readonly (string | number)[];

/**
 * Where a property stands in a JSON text. Tolerates comments and trailing commas, as VS Code does, and text that is
 * broken further down. The deepest part of the path that exists is returned when the rest is missing (a property that
 * ought to be there); undefined when not even the first part is.
 */
export function findProperty(text: string, path: Path): PropertyRanges | undefined {
  const found = new Scanner(text).find(path);
  return found.depth === 0 && path.length > 0 ? undefined : found.ranges;
}

interface Found {
  readonly depth: number;
  readonly ranges: PropertyRanges;
}

class Scanner {
  private position = 0;

  constructor(private readonly text: string) {}

  find(path: Path): Found {
    this.skipSpace();
    return this.value(path, 0, undefined);
  }

  private value(path: Path, depth: number, name: TextRange | undefined): Found {
    this.skipSpace();
    const start = this.position;
    let deeper: Found | undefined;
    const wanted = path[depth];
    const character = this.text[this.position];
    if (character === '{' || character === '[') {
      const close = character === '{' ? '}' : ']';
      this.position++;
      for (let index = 0; ; index++) {
        this.skipSpace();
        const next = this.text[this.position];
        if (next === undefined || next === close) break;
        let key: string | number = index;
        let keyRange: TextRange | undefined;
        if (character === '{') {
          if (next !== '"') break;
          keyRange = this.string();
          key = parseString(this.text.slice(keyRange.start, keyRange.end));
          this.skipSpace();
          if (this.text[this.position] !== ':') break;
          this.position++;
        }
        const hit = key === wanted;
        const inside = this.value(hit ? path : [], hit ? depth + 1 : 0, keyRange);
        if (hit) deeper ??= inside;
        this.skipSpace();
        if (this.text[this.position] !== ',') break;
        this.position++;
      }
      if (this.text[this.position] === close) this.position++;
    } else if (character === '"') {
      this.string();
    } else {
      while (this.position < this.text.length && !/[\s,\]}/]/.test(this.text[this.position] ?? ''))
        this.position++;
      // A stray character is stepped over, so that scanning always ends.
      if (this.position === start) this.position++;
    }
    return (
      deeper ?? { depth, ranges: { name, value: { start, end: Math.min(this.position, this.text.length) } } }
    );
  }

  private string(): TextRange {
    const start = this.position;
    this.position++;
    while (this.position < this.text.length) {
      const character = this.text[this.position];
      if (character === '\n') break;
      this.position += character === '\\' ? 2 : 1;
      if (character === '"') break;
    }
    return { start, end: Math.min(this.position, this.text.length) };
  }

  private skipSpace(): void {
    for (;;) {
      const rest = this.text[this.position];
      if (rest !== undefined && /\s|\uFEFF/.test(rest)) this.position++;
      else if (this.text.startsWith('//', this.position)) this.skipTo('\n');
      else if (this.text.startsWith('/*', this.position)) this.skipTo('*/');
      else return;
    }
  }

  private skipTo(end: string): void {
    const at = this.text.indexOf(end, this.position);
    this.position = at === -1 ? this.text.length : at + end.length;
  }
}

function parseString(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}

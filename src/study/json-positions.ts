/**
 * Where the properties of a JSON text stand, so that a finding about `deltas.adapter.size` can point at its line. Strict
 * JSON, as JSON.parse reads it.
 */

export interface JsonPositions {
  readonly value: unknown;
  /** 1-based line of the property (its name) or array element at this path; of the nearest parent that exists otherwise. */
  lineOf(path: readonly (string | number)[]): number;
}

export class JsonSyntaxError extends Error {
  constructor(
    message: string,
    /** 1-based. */
    readonly line: number,
    /** 1-based, in characters. */
    readonly column: number,
  ) {
    super(message);
    this.name = 'JsonSyntaxError';
  }
}

type Path = readonly (string | number)[];

/** @throws JsonSyntaxError with line and column */
export function parseJsonWithPositions(text: string): JsonPositions {
  const scanner = new Scanner(text);
  const value = scanner.document();
  return {
    value,
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const offset = scanner.offsets.get(placeOf(path.slice(0, length)));
        if (offset !== undefined) return lineAndColumn(text, offset).line;
      }
      return 1;
    },
  };
}

function placeOf(path: Path): string {
  return JSON.stringify(path);
}

function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// eslint-disable-next-line no-control-regex -- JSON forbids raw control characters in strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /true|false|null/y;

class Scanner {
  readonly offsets = new Map<string, number>();
  private at = 0;

  constructor(private readonly text: string) {}

  document(): unknown {
    const value = this.value([]);
    this.take(SPACE);
    if (this.at < this.text.length) this.fail('Something follows the end of the document');
    return value;
  }

  private value(path: Path): unknown {
    this.take(SPACE);
    const character = this.text[this.at];
    if (character === '{') return this.object(path);
    if (character === '[') return this.array(path);
    const token = this.take(STRING) ?? this.take(NUMBER) ?? this.take(WORD);
    if (token === null) this.fail(character === undefined ? 'The file ends too early' : 'A value is missing');
    return JSON.parse(token) as unknown;
  }

  private object(path: Path): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    this.at++;
    if (this.ended('}')) return result;
    do {
      this.take(SPACE);
      const start = this.at;
      const token = this.take(STRING);
      if (token === null) this.fail('A property name in double quotes is missing');
      const name = JSON.parse(token) as string;
      const place = [...path, name];
      if (this.offsets.has(placeOf(place))) {
        this.at = start;
        this.fail(`The property '${name}' occurs twice`);
      }
      this.offsets.set(placeOf(place), start);
      this.take(SPACE);
      if (this.text[this.at] !== ':') this.fail(`A colon is missing after '${name}'`);
      this.at++;
      // Defined, not assigned: a property called __proto__ must be data like any other.
      Object.defineProperty(result, name, {
        value: this.value(place),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    } while (this.comma('}'));
    return result;
  }

  private array(path: Path): unknown[] {
    const result: unknown[] = [];
    this.at++;
    if (this.ended(']')) return result;
    do {
      this.take(SPACE);
      const place = [...path, result.length];
      this.offsets.set(placeOf(place), this.at);
      result.push(this.value(place));
    } while (this.comma(']'));
    return result;
  }

  /** Whether the container ends here at once. */
  private ended(closing: string): boolean {
    this.take(SPACE);
    if (this.text[this.at] !== closing) return false;
    this.at++;
    return true;
  }

  private comma(closing: string): boolean {
    if (this.ended(closing)) return false;
    if (this.text[this.at] !== ',') this.fail(`A comma or '${closing}' is missing`);
    this.at++;
    return true;
  }

  private take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) return null;
    this.at = pattern.lastIndex;
    return match[0];
  }

  private fail(message: string): never {
    const { line, column } = lineAndColumn(this.text, this.at);
    throw new JsonSyntaxError(message, line, column);
  }
}

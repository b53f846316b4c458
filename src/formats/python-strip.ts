/** What Python's `str.strip()` strips; `String.prototype.trim` differs in U+001C..1F, U+0085 and U+FEFF. */
const PYTHON_SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const AT_START = new RegExp(`^[${PYTHON_SPACE}]+`);
const SPACE = new RegExp(`[${PYTHON_SPACE}]`);

/** Python's `str.rstrip()`. */
export function pythonTrimEnd(text: string): string {
  let end = text.length;
  // By hand: a regular expression anchored at the end is quadratic in runs of spaces.
  while (end > 0 && SPACE.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Python's `str.lstrip()`. */
export function pythonTrimStart(text: string): string {
  return text.replace(AT_START, '');
}

/** Python's `str.strip()`. */
export function pythonTrim(text: string): string {
  return pythonTrimStart(pythonTrimEnd(text));
}

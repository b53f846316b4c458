/** Remembers the last call: pictures redraw only when their model is another object. */
export function once<Arguments extends readonly unknown[], Result>(
  make: (...parameters: Arguments) => Result,
): (...parameters: Arguments) => Result {
  let last: { readonly parameters: Arguments; readonly result: Result } | undefined;
  return (...parameters) => {
    if (
      last?.parameters.length === parameters.length &&
      parameters.every((value, i) => Object.is(value, last?.parameters[i]))
    ) {
      return last.result;
    }
    last = { parameters, result: make(...parameters) };
    return last.result;
  };
}

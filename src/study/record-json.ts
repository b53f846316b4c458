/** Wider lines are broken; a score cell still fits on one, so that a diff of a matrix shows the cells that changed. */
const WIDTH = 400;

/**
 * JSON for files that people read and git compares: what fits on a line stands on one, everything else is indented by two
 * spaces. Equal values with equally ordered properties give equal bytes.
 */
export function recordJson(value: unknown): string {
  return `${format(value, '', 0)}\n`;
}

function format(value: unknown, indent: string, used: number): string {
  const line = JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return line;
  // The outermost object is always broken: one property a line.
  if (indent !== '' && indent.length + used + line.length <= WIDTH) return spaced(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[\n${value.map((item) => inner + format(item, inner, 0)).join(',\n')}\n${indent}]`;
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => {
      const label = `${JSON.stringify(name)}: `;
      return inner + label + format(member, inner, label.length);
    });
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`;
}

/** On one line, with a space after colons and commas. */
function spaced(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}: ${spaced(member)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}

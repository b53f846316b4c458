/**
 * Finds a key that occurs twice in one object of a JSON text, which `JSON.parse` would silently overwrite.
 * `text` must be valid JSON already. Returns the key, or undefined.
 */
export function findDuplicateKey(text: string): string | undefined {
  // One set per open object; null for an open array.
  const open: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const found = match[0];
    if (found === '{') open.push(new Set());
    else if (found === '[') open.push(null);
    else if (found === '}' || found === ']') open.pop();
    else {
      const keys = open.at(-1);
      if (keys === null || keys === undefined || !isFollowedByColon(text, token.lastIndex)) continue;
      const key = JSON.parse(found) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) at++;
  return text.charAt(at) === ':';
}

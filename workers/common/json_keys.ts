/**
 * Finds keys that occur twice in one JSON object. JSON.parse keeps the last one silently, so that two readers of the
 * same file could see different tensors under one name.
 */

/**
 * @param text valid JSON: what JSON.parse has accepted
 * @returns the first key that its object has already, or undefined
 */
export function findDuplicateKey(text: string): string | undefined {
  // A set of keys for each object that is open; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++)
    switch (text[at]) {
      case '{':
        open.push(new Set());
        break;
      case '[':
        open.push(undefined);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (keys && isFollowedByColon(text, end)) {
          const key = JSON.parse(text.slice(at, end)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
        }
        at = end - 1;
      }
    }
  return undefined;
}

/** @returns the index after the closing quote */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isFollowedByColon(text: string, start: number): boolean {
  let at = start;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return text[at] === ':';
}

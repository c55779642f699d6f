/**
 * JSON that was not written here. JSON.parse makes an object of some hundred bytes of two characters, and reads nesting
 * that later stops whatever walks it by recursion; so both are measured before.
 *
 * Bounds. Time is linear in the text; memory is the text's and about a hundred bytes for each value.
 */

/** The deepest of the files that are read, a TensorFlow.js topology, has about 12 levels. */
const MAXIMUM_DEPTH = 64;

export class JsonError extends Error {
  override name = 'JsonError';
}

/**
 * @param mostValues of numbers, texts, lists and objects
 * @throws JsonError whose message continues "it" or the name of the text
 */
export function parseBoundedJson(text: string, mostValues: number): unknown {
  checkSize(text, mostValues);
  try {
    return JSON.parse(text);
  } catch {
    throw new JsonError('is not valid JSON');
  }
}

/** Every value but the first of its list or object has a comma before it. */
function checkSize(text: string, mostValues: number): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++)
    switch (text.charCodeAt(at)) {
      case 0x22: // "
        at = endOfString(text, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        if (++depth > MAXIMUM_DEPTH) throw new JsonError(`is nested more than ${MAXIMUM_DEPTH} levels deep`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        if (++values > mostValues) throw new JsonError(`has more than ${mostValues} values`);
    }
}

/** @returns the index of the closing quote, or the text's end */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

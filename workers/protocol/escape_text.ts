/**
 * Names that the program did not make itself (of folders, people, models, runs, files) and where they go: each target
 * has its own characters that mean more than themselves. A model's metadata is anyone's text, and so is a folder's name.
 * Everything here is pure: page, terminal and workers use the same functions.
 */

/**
 * What a reader would not see, or would act on: control characters (with them terminal escapes), line and paragraph
 * separators, the byte order mark, zero-width characters and the overrides of the writing direction, with which a name
 * can look like another one (CVE-2021-42574). Joiners (U+200C, U+200D) stay: names are written with them.
 */
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Windows' names of devices, with any ending. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
const LONGEST_FILE_NAME = 120;

function codeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** For a line of text, in a file or elsewhere: `a\u000ab`. JSON stays the same JSON. */
export function lineText(text: string): string {
  return text.replace(UNSEEN, codeOf);
}

/** One line of a table whose cells are paths that are read again: only what would begin another line is written out. */
export function tableLineText(text: string): string {
  return text.replace(/[\r\n]/g, codeOf);
}

/** For a terminal, or for a line whose parts are separated by tabs: as lineText, but tabs stay. */
export function terminalText(text: string): string {
  return text.replace(UNSEEN, (character) => (character === '\t' ? character : codeOf(character)));
}

/** Is a name that can be part of a path, as it is. */
export function isSafeFileName(name: string): boolean {
  return name !== '' && safeFileName(name) === name;
}

/**
 * One name of a file or folder, on any system: no separators, no `..`, nothing that a shell's or Windows' names cannot
 * have.
 * @param fallback for a text of which nothing is left
 */
export function safeFileName(text: string, fallback = 'model'): string {
  const replaced = text.replace(UNSEEN, '-').replaceAll(/[/\\:*?"<>|$`;&!'{}[\]#%~^]+/g, '-');
  // A leading dot hides, a leading dash is a flag, and Windows drops dots and spaces at the end.
  const name = trimmed(replaced, /[\s.-]/);
  if (name === '') return fallback;
  return shortened(DEVICE_NAME.test(name) ? `_${name}` : name);
}

const LONGEST_SET_NAME = 80;

/**
 * A folder's name as part of the name of a set of faces, or of a zip file of it. Sets are found again by this name: it
 * must not change from version to version.
 */
export function safeSetName(name: string): string {
  return name.replace(/[/\\:*?"<>|]+/g, '-').slice(0, LONGEST_SET_NAME);
}

/** Without such characters at both ends. An expression such as /[ .]+$/ takes quadratic time where they are many. */
function trimmed(text: string, character: RegExp): string {
  let [start, end] = [0, text.length];
  while (start < end && character.test(text[start]!)) start++;
  while (start < end && character.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** The ending stays. */
function shortened(name: string): string {
  if (name.length <= LONGEST_FILE_NAME) return name;
  const ending = /\.\w{1,15}$/.exec(name)?.[0] ?? '';
  return name.slice(0, LONGEST_FILE_NAME - ending.length) + ending;
}

/** A string literal in double quotes. Python's escapes include all of JSON's. */
export function pythonString(text: string): string {
  return JSON.stringify(text).replace(UNSEEN, codeOf);
}

/** A string literal in single quotes, also within a page's script. */
export function javascriptString(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return `'${inner.replaceAll("'", "\\'").replaceAll('<', '\\u003c').replace(UNSEEN, codeOf)}'`;
}

/** Text in a line or a table's cell of Markdown: nothing in it is markup, a link or HTML. */
export function markdownText(text: string): string {
  return lineText(text).replace(/[\\`*_{}[\]<>()#+!|~&]/g, (character) => `\\${character}`);
}

/** A cell of comma-separated values for a spreadsheet, which takes `=`, `+`, `-` and `@` for the beginning of a formula. */
export function csvCell(text: string): string {
  const line = lineText(text);
  const value = /^\s*[=+\-@＝＋－＠]/.test(line) ? `'${line}` : line;
  return /[",;]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

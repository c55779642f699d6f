/** Texts that come from files, in messages: short enough to be read, however long they are in the file. */
const LONGEST = 80;

export function shortText(text: string, longest = LONGEST): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

export function quoted(text: string, longest = LONGEST): string {
  return `"${shortText(text, longest)}"`;
}

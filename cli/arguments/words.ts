/** A text of flags into its words: spaces separate them, quotes hold them together. */
export function splitWords(text: string): string[] {
  const words = text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g);
  return [...words].map(([word]) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

/**
 * The page's colours for a canvas, asked for once a scheme: a computed style may have to be computed first, and a chart
 * has many marks to draw.
 */
const known: Record<string, string> = {};

/** @param name of tokens.css, without the dashes */
export function chartColour(name: string, isDark: boolean): string {
  return (known[`${name} ${isDark}`] ??= getComputedStyle(document.documentElement)
    .getPropertyValue(`--${name}`)
    .trim());
}

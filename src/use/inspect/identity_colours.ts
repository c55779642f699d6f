/** A colour for each person: neighbours in the list get hues far apart, by the golden angle. */
const GOLDEN_ANGLE = 137.507764;
/** Perceived lightness and colourfulness, equal for all hues (Ottosson, "A perceptual color space", 2020). */
const LIGHT = '0.58 0.13';
const DARK = '0.76 0.12';

export function identityColour(label: number, isDark: boolean): string {
  return `oklch(${isDark ? DARK : LIGHT} ${((label * GOLDEN_ANGLE) % 360).toFixed(1)})`;
}

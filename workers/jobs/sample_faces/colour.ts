/** Colours as red, green, blue of 0 … 255 (sRGB). */

export type Colour = readonly [red: number, green: number, blue: number];

export function mix(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

export function multiply(a: Colour, b: Colour): Colour {
  return [(a[0] * b[0]) / 255, (a[1] * b[1]) / 255, (a[2] * b[2]) / 255];
}

/** Factor below 1: towards black; above 1: towards white. */
export function shade(colour: Colour, factor: number): Colour {
  return factor <= 1 ? mix([0, 0, 0], colour, factor) : mix(colour, [255, 255, 255], factor - 1);
}

/** On a list of colours, evenly spaced over 0 … 1. */
export function alongRamp(ramp: readonly Colour[], at: number): Colour {
  const place = Math.min(Math.max(at, 0), 1) * (ramp.length - 1);
  const index = Math.min(Math.floor(place), ramp.length - 2);
  return mix(ramp[index]!, ramp[index + 1]!, place - index);
}

/** @param hue 0 … 360; saturation and lightness 0 … 1 */
export function fromHsl(hue: number, saturation: number, lightness: number): Colour {
  const part = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    const amount = saturation * Math.min(lightness, 1 - lightness);
    return 255 * (lightness - amount * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  };
  return [part(0), part(8), part(4)];
}

export function css([red, green, blue]: Colour, alpha = 1): string {
  const channel = (value: number): number => Math.round(Math.min(Math.max(value, 0), 255));
  return `rgba(${channel(red)}, ${channel(green)}, ${channel(blue)}, ${alpha.toFixed(3)})`;
}

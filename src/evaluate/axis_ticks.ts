/** Round numbers along an axis, evenly apart. */

const STEPS = [1, 2, 2.5, 5, 10];

/**
 * @param most ticks there is room for
 * @returns multiples of 1, 2, 2.5 or 5 times a power of ten from `start` to `end`
 */
export function axisTicks(start: number, end: number, most: number): number[] {
  const span = end - start;
  if (!(span > 0) || most < 1) return [];
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = STEPS.map((factor) => factor * power).find((one) => span / one <= most) ?? span;
  const first = Math.ceil(start / step - 1e-9);
  const last = Math.floor(end / step + 1e-9);
  // 12 significant digits: 3 × 0.1 is 0.3, and not 0.30000000000000004.
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

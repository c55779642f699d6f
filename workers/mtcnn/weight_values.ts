/** Weights as the networks' kernels pack them. Apart from weights.ts, whose files only a bundler finds. */
import type { MtcnnWeights } from './weights.ts';

export function weightValues(weights: MtcnnWeights, name: string): Float32Array {
  const weight = weights.get(name);
  if (!weight) throw new Error(`The face detector's weights have no ${name}.`);
  return weight.values;
}

/** [..., a] and [..., b] → [..., a + b] */
export function sideBySide(
  parts: readonly { readonly values: Float32Array; readonly count: number }[],
): Float32Array {
  const width = parts.reduce((sum, { count }) => sum + count, 0);
  const joined = new Float32Array((parts[0]!.values.length / parts[0]!.count) * width);
  let first = 0;
  for (const { values, count } of parts) {
    for (let from = 0, to = first; from < values.length; from += count, to += width)
      joined.set(values.subarray(from, from + count), to);
    first += count;
  }
  return joined;
}

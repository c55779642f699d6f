/** Weights for the kernels of the networks. Separate from weights.ts, whose files only a bundler finds. */
import type { MtcnnWeights } from './weights.ts';

function weightValues(weights: MtcnnWeights, name: string): Float32Array {
  const weight = weights.get(name);
  if (!weight) throw new Error(`The face detector's weights have no ${name}.`);
  return weight.values;
}

/** A layer with its names in the file of weights. */
export interface WeightedLayer {
  readonly name: string;
  /** The name of the slopes of its PReLU. */
  readonly prelu?: string;
  /** Suffixes of parallel layers, whose filters follow each other. */
  readonly heads?: readonly string[];
}

/** @returns weights: [size, size, channels, filters] or [inputs, filters], the heads' filters side by side */
export function layerValues(
  weights: MtcnnWeights,
  { name, prelu, heads = [''] }: WeightedLayer,
): { readonly all: Float32Array; readonly bias: Float32Array; readonly slopes: Float32Array | undefined } {
  const parts = heads.map((suffix) => ({
    weights: weightValues(weights, `${name}${suffix}/weights`),
    bias: weightValues(weights, `${name}${suffix}/bias`),
  }));
  return {
    bias: sideBySide(parts.map((part) => ({ values: part.bias, count: part.bias.length }))),
    all: sideBySide(parts.map((part) => ({ values: part.weights, count: part.bias.length }))),
    slopes: prelu === undefined ? undefined : weightValues(weights, prelu),
  };
}

/** [..., a] and [..., b] → [..., a + b] */
function sideBySide(
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

/**
 * The place of each parameter in the flat buffers. Trainable parameters share one buffer, with the decayed ones first.
 * Gradients and optimizer slots use the same places. Moving statistics are in another buffer, because a kernel cannot
 * bind one buffer both for writing and, under another name, for reading.
 */
import type { Graph, ParameterSpec } from '../graph/ir.ts';
import { elementCount } from '../../protocol/tensor.ts';
import type { BufferRegion } from './tensor_view.ts';

/** WebGPU's largest alignment for the offset of a binding: 256 bytes. */
export const ALIGNMENT_FLOATS = 64;

export function alignFloats(floats: number): number {
  return Math.ceil(floats / ALIGNMENT_FLOATS) * ALIGNMENT_FLOATS;
}

export interface FlatLayout {
  readonly trainableFloats: number;
  /** The end of the parameters with weight decay, which come first. */
  readonly regularizedFloats: number;
  readonly statisticsFloats: number;
  /** @throws Error for a name that is not in the graph */
  region(parameter: string): BufferRegion;
  spec(parameter: string): ParameterSpec;
}

export function flatLayout(graph: Graph): FlatLayout {
  const regions = new Map<string, BufferRegion>();
  const specs = new Map(graph.parameters.map((spec) => [spec.name, spec]));
  const place = (
    buffer: 'parameters' | 'statistics',
    selected: readonly ParameterSpec[],
    start: number,
  ): number => {
    let offset = start;
    for (const { name, shape } of selected) {
      const floats = alignFloats(elementCount(shape));
      regions.set(name, { kind: 'region', buffer, offset, floats });
      offset += floats;
    }
    return offset;
  };
  const trainable = graph.parameters.filter((spec) => spec.trainable);
  const regularizedFloats = place(
    'parameters',
    trainable.filter((spec) => spec.regularized),
    0,
  );
  const trainableFloats = place(
    'parameters',
    trainable.filter((spec) => !spec.regularized),
    regularizedFloats,
  );
  const statisticsFloats = place(
    'statistics',
    graph.parameters.filter((spec) => !spec.trainable),
    0,
  );
  const find = <Value>(map: ReadonlyMap<string, Value>, name: string): Value => {
    const value = map.get(name);
    if (value === undefined) throw new Error(`There is no parameter ${name}.`);
    return value;
  };
  return {
    trainableFloats,
    regularizedFloats,
    statisticsFloats,
    region: (name) => find(regions, name),
    spec: (name) => find(specs, name),
  };
}

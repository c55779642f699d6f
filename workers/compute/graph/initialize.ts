/** Initial parameters: Xavier uniform weights, zero biases and betas, moving statistics of 0 and 1. */
import { RandomStream, hashKey, uniform } from '../../common/random.ts';
import { fnv1a32 } from './hashed_tensors.ts';
import type { Graph, ParameterSpec } from './ir.ts';
import { elementCount } from '../../protocol/tensor.ts';
import { type HostTensor } from '../../protocol/tensor.ts';

/** [fan_in, fan_out] for the weights of a convolution or dense layer: the receptive field times the channels. */
function fans(shape: readonly number[]): [number, number] {
  const field = elementCount(shape.slice(0, -2));
  return [field * shape.at(-2)!, field * shape.at(-1)!];
}

function initializeParameter(spec: ParameterSpec, seed: number): HostTensor {
  const data = new Float32Array(elementCount(spec.shape));
  if (spec.initializer === 'ones') data.fill(1);
  if (spec.initializer === 'xavier_uniform') {
    const [fanIn, fanOut] = fans(spec.shape);
    const limit = Math.sqrt(6 / (fanIn + fanOut));
    // The sequence of a parameter depends on its name, so adding a layer does not change the values of other layers.
    const key = hashKey(seed, RandomStream.initializer, fnv1a32(spec.name));
    for (let index = 0; index < data.length; index++) data[index] = (2 * uniform(key, index) - 1) * limit;
  }
  return { shape: spec.shape, data };
}

export function initializeParameters(graph: Graph, seed: number): Map<string, HostTensor> {
  return new Map(graph.parameters.map((spec) => [spec.name, initializeParameter(spec, seed)]));
}

/**
 * Tensors that are defined by a name and a seed. Conformance fixtures use them, so that two implementations have the
 * same inputs without exchanging files.
 */
import { hash32 } from '../../common/random.ts';
import { elementCount } from '../../protocol/tensor.ts';
import { type HostTensor } from '../../protocol/tensor.ts';
import type { Graph, ParameterSpec } from './ir.ts';

/** FNV-1a, 32 bits, over the UTF-8 bytes of the text (http://www.isthe.com/chongo/tech/comp/fnv/). */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The hash input of the first value; element i has base + i. */
export function hashBase(name: string, seed: number): number {
  return (fnv1a32(name) ^ Math.imul(seed, 0x9e3779b9)) >>> 0;
}

/** u = element `index` of the tensor `name`, uniform in [0, 1) with 24 bits. */
export function hashedUniform(base: number, index: number): number {
  return (hash32((base + index) >>> 0) >>> 8) / 0x1000000;
}

/** The values that fixtures give a parameter before training. */
export function hashedParameter(spec: ParameterSpec, seed: number): HostTensor {
  const base = hashBase(spec.name, seed);
  const data = new Float32Array(elementCount(spec.shape));
  const kind = spec.name.slice(spec.name.lastIndexOf('/') + 1);
  const fanIn = elementCount(spec.shape.slice(0, -1));
  const limit = Math.sqrt(3 / fanIn);
  for (let index = 0; index < data.length; index++) {
    const u = hashedUniform(base, index);
    if (kind === 'weights') data[index] = (2 * u - 1) * limit;
    else if (kind === 'moving_variance') data[index] = 0.5 + u;
    else data[index] = (2 * u - 1) * 0.1;
  }
  return { shape: spec.shape, data };
}

export function hashedParameters(graph: Graph, seed: number): Map<string, HostTensor> {
  return new Map(graph.parameters.map((spec) => [spec.name, hashedParameter(spec, seed)]));
}

/** Smooth images with noise: RGB, [batchSize, size, size, 3], p = (3·coarse + fine) div 4. */
export function hashedPixels(batchSize: number, size: number, seed: number): Uint8Array {
  const fineBase = hashBase('images/fine', seed);
  const coarseBase = hashBase('images/coarse', seed);
  const pixels = new Uint8Array(batchSize * size * size * 3);
  let index = 0;
  for (let b = 0; b < batchSize; b++)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        for (let c = 0; c < 3; c++) {
          const cell = ((b * 5 + Math.floor((5 * y) / size)) * 5 + Math.floor((5 * x) / size)) * 3 + c;
          const coarse = Math.floor(256 * hashedUniform(coarseBase, cell));
          const fine = Math.floor(256 * hashedUniform(fineBase, index));
          pixels[index++] = Math.floor((3 * coarse + fine) / 4);
        }
  return pixels;
}

export interface TensorDigest {
  readonly l2: number;
  /** Σ a·(2u − 1) with the tensor `probe/<name>` of the seed. */
  readonly probe: number;
  readonly first: readonly number[];
}

/** The digest of a tensor, computed in float64. */
export function digestTensor(name: string, seed: number, data: ArrayLike<number>): TensorDigest {
  const base = hashBase(`probe/${name}`, seed);
  let squares = 0;
  let probe = 0;
  for (let index = 0; index < data.length; index++) {
    const value = data[index]!;
    squares += value * value;
    probe += value * (2 * hashedUniform(base, index) - 1);
  }
  return {
    l2: Math.sqrt(squares),
    probe,
    first: Array.from({ length: Math.min(4, data.length) }, (_, i) => data[i]!),
  };
}

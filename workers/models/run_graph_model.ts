/**
 * Runs an exported TensorFlow.js graph model as any user of it would: with stock `tf.loadGraphModel`, on the current
 * backend. Nothing of this program's own readers or network description is used.
 */
import * as tf from '@tensorflow/tfjs-core';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import type { ReadableDirectory } from '../protocol/data/directories.ts';

/**
 * @param path of model.json in the folder
 * @param images standardised, [count, size, size, 3]
 * @returns [count, embedding size]
 */
export async function embedWithGraphModel(
  directory: ReadableDirectory,
  path: string,
  images: Float32Array,
  imageSize: number,
): Promise<Float32Array> {
  const model = await loadGraphModel(directoryHandler(directory, path));
  const input = tf.tensor4d(images, [images.length / (imageSize * imageSize * 3), imageSize, imageSize, 3]);
  try {
    const output = model.predict(input) as tf.Tensor;
    const embeddings = (await output.data()) as Float32Array;
    output.dispose();
    return embeddings;
  } finally {
    input.dispose();
    model.dispose();
  }
}

/** tfjs's own way of loading, with a folder in the place of a web server. */
function directoryHandler(directory: ReadableDirectory, path: string): tf.io.IOHandler {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  return {
    async load() {
      const json = JSON.parse(await (await directory.read(path)).text()) as tf.io.ModelJSON;
      return tf.io.getModelArtifactsForJSON(json, async (manifest) => {
        const shards: Blob[] = [];
        for (const { paths } of manifest)
          for (const shard of paths) shards.push(await directory.read(folder + shard));
        return [
          manifest.flatMap(({ weights }) => weights),
          await Promise.all(shards.map((shard) => shard.arrayBuffer())),
        ];
      });
    },
  };
}

/**
 * P-Net, R-Net and O-Net on TensorFlow.js, for browsers without WebAssembly SIMD. Pools pad as in the original: SAME
 * after the first layers, VALID at places where implementations in Caffe round up.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { BusyClock } from '../common/busy_clock.ts';
import type { BackendMemory } from '../protocol/device.ts';
import {
  faceProbabilities,
  O_NET_SIZE,
  R_NET_SIZE,
  type Networks,
  type ONetOutput,
  type PNetOutput,
  type RNetOutput,
} from './network_outputs.ts';
import type { MtcnnWeights } from './weights.ts';

export class MtcnnNetworks implements Networks {
  readonly clock = new BusyClock();
  readonly #weights: ReadonlyMap<string, tf.Tensor>;

  constructor(weights: MtcnnWeights) {
    this.#weights = new Map(
      [...weights].map(([name, { values, shape }]) => [name, tf.tensor(values, [...shape])]),
    );
  }

  async proposals(images: readonly Float32Array[], width: number, height: number): Promise<PNetOutput[]> {
    const length = width * height * 3;
    let values = images[0]!;
    if (images.length > 1) {
      values = new Float32Array(images.length * length);
      images.forEach((image, index) => values.set(image, index * length));
    }
    const [logits, regressions] = tf.tidy(() => {
      const input = tf.tensor4d(values, [images.length, width, height, 3]);
      let layer = this.#convolution(input, 'pnet/conv1', 'pnet/prelu1_alpha');
      layer = tf.maxPool(layer, 2, 2, 'same');
      layer = this.#convolution(layer, 'pnet/conv2', 'pnet/prelu2_alpha');
      layer = this.#convolution(layer, 'pnet/conv3', 'pnet/prelu3_alpha');
      return [this.#convolution(layer, 'pnet/conv4_1'), this.#convolution(layer, 'pnet/conv4_2')] as const;
    });
    const [, outWidth, outHeight] = regressions.shape as [number, number, number, number];
    const [logitValues, regressionValues] = await readAll([logits, regressions]);
    const scores = faceProbabilities(logitValues!);
    const cells = outWidth * outHeight;
    return images.map((_, index) => ({
      scores: scores.subarray(index * cells, (index + 1) * cells),
      regressions: regressionValues!.subarray(index * cells * 4, (index + 1) * cells * 4),
      width: outWidth,
      height: outHeight,
    }));
  }

  async refine(values: Float32Array, count: number): Promise<RNetOutput> {
    const outputs = tf.tidy(() => {
      let layer = this.#convolution(
        tf.tensor4d(values, [count, R_NET_SIZE, R_NET_SIZE, 3]),
        'rnet/conv1',
        'rnet/prelu1_alpha',
      );
      layer = tf.maxPool(layer, 3, 2, 'same');
      layer = this.#convolution(layer, 'rnet/conv2', 'rnet/prelu2_alpha');
      layer = tf.maxPool(layer, 3, 2, 'valid');
      layer = this.#convolution(layer, 'rnet/conv3', 'rnet/prelu3_alpha');
      const features = this.#dense(flatten(layer), 'rnet/fc1', 'rnet/prelu4_alpha');
      return [this.#dense(features, 'rnet/fc2_1'), this.#dense(features, 'rnet/fc2_2')];
    });
    const [logits, regressions] = await readAll(outputs);
    return { scores: faceProbabilities(logits!), regressions: regressions! };
  }

  async output(values: Float32Array, count: number): Promise<ONetOutput> {
    const outputs = tf.tidy(() => {
      let layer = this.#convolution(
        tf.tensor4d(values, [count, O_NET_SIZE, O_NET_SIZE, 3]),
        'onet/conv1',
        'onet/prelu1_alpha',
      );
      layer = tf.maxPool(layer, 3, 2, 'same');
      layer = this.#convolution(layer, 'onet/conv2', 'onet/prelu2_alpha');
      layer = tf.maxPool(layer, 3, 2, 'valid');
      layer = this.#convolution(layer, 'onet/conv3', 'onet/prelu3_alpha');
      layer = tf.maxPool(layer, 2, 2, 'same');
      layer = this.#convolution(layer, 'onet/conv4', 'onet/prelu4_alpha');
      const features = this.#dense(flatten(layer), 'onet/fc1', 'onet/prelu5_alpha');
      return [
        this.#dense(features, 'onet/fc2_1'),
        this.#dense(features, 'onet/fc2_2'),
        this.#dense(features, 'onet/fc2_3'),
      ];
    });
    const [logits, regressions, landmarks] = await readAll(outputs);
    return { scores: faceProbabilities(logits!), regressions: regressions!, landmarks: landmarks! };
  }

  memory(): BackendMemory {
    const usedBytes = tf.memory().numBytes;
    const { wasm } = tf.backend() as unknown as { wasm?: { HEAPU8: Uint8Array } };
    return { usedBytes, allocatedBytes: wasm?.HEAPU8.byteLength ?? usedBytes };
  }

  dispose(): void {
    for (const tensor of this.#weights.values()) tensor.dispose();
  }

  #weight<T extends tf.Tensor>(name: string): T {
    const tensor = this.#weights.get(name);
    if (!tensor) throw new Error(`The face detector's weights have no ${name}.`);
    return tensor as T;
  }

  /** A convolution with its bias and, if named, its PReLU: one pass over memory instead of three. */
  #convolution(input: Tensor4D, name: string, prelu?: string): Tensor4D {
    return tf.fused.conv2d({
      x: input,
      filter: this.#weight<Tensor4D>(`${name}/weights`),
      strides: 1,
      pad: 'valid',
      bias: this.#weight<Tensor1D>(`${name}/bias`),
      ...this.#activation(prelu),
    });
  }

  #dense(input: Tensor2D, name: string, prelu?: string): Tensor2D {
    return tf.fused.matMul({
      a: input,
      b: this.#weight<Tensor2D>(`${name}/weights`),
      bias: this.#weight<Tensor1D>(`${name}/bias`),
      ...this.#activation(prelu),
    }) as Tensor2D;
  }

  #activation(prelu: string | undefined) {
    return prelu === undefined
      ? {}
      : { activation: 'prelu' as const, preluActivationWeights: this.#weight(prelu) };
  }
}

function flatten(layer: Tensor4D): Tensor2D {
  return tf.reshape(layer, [layer.shape[0], -1]) as Tensor2D;
}

async function readAll(tensors: readonly tf.Tensor[]): Promise<Float32Array[]> {
  const values = await Promise.all(tensors.map((tensor) => tensor.data<'float32'>()));
  for (const tensor of tensors) tensor.dispose();
  return values as Float32Array[];
}

/**
 * The forward pass of facenet-pytorch's InceptionResnetV1 in evaluation mode, implemented after its module structure
 * (https://github.com/timesler/facenet-pytorch, models/inception_resnet_v1.py: module names, channels, strides,
 * paddings) in float64 on [C, H, W], so that a state dict can be tested without PyTorch.
 */
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';

interface Volume {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float64Array;
}

/** @param image standardised, [3, size, size]. @returns the l2-normalised embedding */
export function facenetPytorchEmbedding(
  state: NamedTensors,
  image: Float64Array,
  size: number,
): Float64Array {
  const tensor = (name: string): Float32Array => {
    const found = state.get(name);
    if (!found) throw new Error(`The state dict has no ${name}.`);
    return found.data;
  };

  const convolve = (
    input: Volume,
    name: string,
    stride: number,
    padding: readonly [number, number],
  ): Volume => {
    const { shape, data: weights } = state.get(`${name}.weight`)!;
    const [filters = 0, channels = 0, kernelHeight = 0, kernelWidth = 0] = shape;
    if (channels !== input.channels)
      throw new Error(`${name} takes ${channels} channels, not ${input.channels}.`);
    const height = Math.floor((input.height + 2 * padding[0] - kernelHeight) / stride) + 1;
    const width = Math.floor((input.width + 2 * padding[1] - kernelWidth) / stride) + 1;
    const data = new Float64Array(filters * height * width);
    for (let f = 0; f < filters; f++)
      for (let c = 0; c < channels; c++)
        for (let ky = 0; ky < kernelHeight; ky++)
          for (let kx = 0; kx < kernelWidth; kx++) {
            const weight = weights[((f * channels + c) * kernelHeight + ky) * kernelWidth + kx]!;
            // The places whose input column is inside the image.
            const from = Math.max(0, Math.ceil((padding[1] - kx) / stride));
            const to = Math.min(width, Math.floor((input.width - 1 + padding[1] - kx) / stride) + 1);
            for (let y = 0; y < height; y++) {
              const row = y * stride + ky - padding[0];
              if (row < 0 || row >= input.height) continue;
              const out = (f * height + y) * width;
              const source = (c * input.height + row) * input.width + kx - padding[1];
              for (let x = from; x < to; x++) data[out + x]! += weight * input.data[source + x * stride]!;
            }
          }
    return { channels: filters, height, width, data };
  };

  const perChannel = (input: Volume, change: (value: number, channel: number) => number): Volume => {
    const area = input.height * input.width;
    return { ...input, data: input.data.map((value, i) => change(value, Math.floor(i / area))) };
  };
  const relu = (input: Volume): Volume => perChannel(input, (value) => Math.max(value, 0));
  const batchNorm = (input: Volume, name: string): Volume => {
    const [weight, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((part) =>
      tensor(`${name}.${part}`),
    );
    return perChannel(
      input,
      (value, c) => ((value - mean![c]!) / Math.sqrt(variance![c]! + 0.001)) * weight![c]! + bias![c]!,
    );
  };
  /** BasicConv2d: convolution, batch norm, ReLU. */
  const basic = (
    input: Volume,
    name: string,
    stride = 1,
    padding: readonly [number, number] = [0, 0],
  ): Volume => relu(batchNorm(convolve(input, `${name}.conv`, stride, padding), `${name}.bn`));
  const concat = (volumes: readonly Volume[]): Volume => {
    const [{ height, width } = { height: 0, width: 0 }] = volumes;
    const data = Float64Array.from(volumes.flatMap((volume) => [...volume.data]));
    return { channels: data.length / (height * width), height, width, data };
  };
  const maxPool = (input: Volume): Volume => {
    const height = Math.floor((input.height - 3) / 2) + 1;
    const width = Math.floor((input.width - 3) / 2) + 1;
    const data = new Float64Array(input.channels * height * width);
    for (let c = 0; c < input.channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          let largest = -Infinity;
          for (let ky = 0; ky < 3; ky++)
            for (let kx = 0; kx < 3; kx++)
              largest = Math.max(
                largest,
                input.data[(c * input.height + 2 * y + ky) * input.width + 2 * x + kx]!,
              );
          data[(c * height + y) * width + x] = largest;
        }
    return { channels: input.channels, height, width, data };
  };
  const residual = (input: Volume, branches: readonly Volume[], name: string, scale: number): Volume => {
    const { data: bias } = state.get(`${name}.conv2d.bias`)!;
    const up = perChannel(
      convolve(concat(branches), `${name}.conv2d`, 1, [0, 0]),
      (value, c) => value + bias[c]!,
    );
    return { ...input, data: input.data.map((value, i) => value + scale * up.data[i]!) };
  };

  const block35 = (x: Volume, name: string): Volume => {
    const first = basic(x, `${name}.branch0`);
    const second = basic(basic(x, `${name}.branch1.0`), `${name}.branch1.1`, 1, [1, 1]);
    const third = basic(
      basic(basic(x, `${name}.branch2.0`), `${name}.branch2.1`, 1, [1, 1]),
      `${name}.branch2.2`,
      1,
      [1, 1],
    );
    return relu(residual(x, [first, second, third], name, 0.17));
  };
  const factorized = (x: Volume, name: string, reach: number): Volume[] => [
    basic(x, `${name}.branch0`),
    basic(basic(basic(x, `${name}.branch1.0`), `${name}.branch1.1`, 1, [0, reach]), `${name}.branch1.2`, 1, [
      reach,
      0,
    ]),
  ];
  const block17 = (x: Volume, name: string): Volume => relu(residual(x, factorized(x, name, 3), name, 0.1));
  const block8 = (x: Volume, name: string, scale: number, hasRelu: boolean): Volume => {
    const sum = residual(x, factorized(x, name, 1), name, scale);
    return hasRelu ? relu(sum) : sum;
  };

  let x: Volume = { channels: 3, height: size, width: size, data: image };
  x = basic(x, 'conv2d_1a', 2);
  x = basic(x, 'conv2d_2a');
  x = basic(x, 'conv2d_2b', 1, [1, 1]);
  x = maxPool(x);
  x = basic(x, 'conv2d_3b');
  x = basic(x, 'conv2d_4a');
  x = basic(x, 'conv2d_4b', 2);
  for (let i = 0; i < 5; i++) x = block35(x, `repeat_1.${i}`);
  x = concat([
    basic(x, 'mixed_6a.branch0', 2),
    basic(basic(basic(x, 'mixed_6a.branch1.0'), 'mixed_6a.branch1.1', 1, [1, 1]), 'mixed_6a.branch1.2', 2),
    maxPool(x),
  ]);
  for (let i = 0; i < 10; i++) x = block17(x, `repeat_2.${i}`);
  x = concat([
    basic(basic(x, 'mixed_7a.branch0.0'), 'mixed_7a.branch0.1', 2),
    basic(basic(x, 'mixed_7a.branch1.0'), 'mixed_7a.branch1.1', 2),
    basic(basic(basic(x, 'mixed_7a.branch2.0'), 'mixed_7a.branch2.1', 1, [1, 1]), 'mixed_7a.branch2.2', 2),
    maxPool(x),
  ]);
  for (let i = 0; i < 5; i++) x = block8(x, `repeat_3.${i}`, 0.2, true);
  x = block8(x, 'block8', 1, false);

  const area = x.height * x.width;
  const pooled = Array.from(
    { length: x.channels },
    (_, c) => x.data.subarray(c * area, (c + 1) * area).reduce((sum, value) => sum + value, 0) / area,
  );
  const { shape, data: linear } = state.get('last_linear.weight')!;
  const [units = 0] = shape;
  const embedding = batchNorm(
    {
      ...{ channels: units, height: 1, width: 1 },
      data: Float64Array.from({ length: units }, (_, unit) =>
        pooled.reduce((sum, value, c) => sum + value * linear[unit * pooled.length + c]!, 0),
      ),
    },
    'last_bn',
  ).data;
  const length = Math.hypot(...embedding);
  return embedding.map((value) => value / length);
}

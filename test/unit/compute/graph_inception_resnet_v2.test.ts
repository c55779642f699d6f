import { expect, it } from 'vitest';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { inferShapes } from '../../../workers/compute/graph/shapes.ts';
import { elementCount } from '../../../workers/protocol/tensor.ts';
import { smallestImageSize } from './smallest_image_size.ts';

const graph = buildModel('models.inception_resnet_v2', { embeddingSize: 512, classes: 10 });
const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, [...shape]]));

/** The original's convolutions with batch norm, in the scope of the model. `*` stands for each repetition. */
const CONVOLUTIONS: Readonly<Record<string, number[]>> = {
  Conv2d_1a_3x3: [3, 3, 3, 32],
  Conv2d_2a_3x3: [3, 3, 32, 32],
  Conv2d_2b_3x3: [3, 3, 32, 64],
  Conv2d_3b_1x1: [1, 1, 64, 80],
  Conv2d_4a_3x3: [3, 3, 80, 192],
  'Mixed_5b/Branch_0/Conv2d_1x1': [1, 1, 192, 96],
  'Mixed_5b/Branch_1/Conv2d_0a_1x1': [1, 1, 192, 48],
  'Mixed_5b/Branch_1/Conv2d_0b_5x5': [5, 5, 48, 64],
  'Mixed_5b/Branch_2/Conv2d_0a_1x1': [1, 1, 192, 64],
  'Mixed_5b/Branch_2/Conv2d_0b_3x3': [3, 3, 64, 96],
  'Mixed_5b/Branch_2/Conv2d_0c_3x3': [3, 3, 96, 96],
  'Mixed_5b/Branch_3/Conv2d_0b_1x1': [1, 1, 192, 64],
  'Repeat/block35_*/Branch_0/Conv2d_1x1': [1, 1, 320, 32],
  'Repeat/block35_*/Branch_1/Conv2d_0a_1x1': [1, 1, 320, 32],
  'Repeat/block35_*/Branch_1/Conv2d_0b_3x3': [3, 3, 32, 32],
  'Repeat/block35_*/Branch_2/Conv2d_0a_1x1': [1, 1, 320, 32],
  'Repeat/block35_*/Branch_2/Conv2d_0b_3x3': [3, 3, 32, 48],
  'Repeat/block35_*/Branch_2/Conv2d_0c_3x3': [3, 3, 48, 64],
  'Mixed_6a/Branch_0/Conv2d_1a_3x3': [3, 3, 320, 384],
  'Mixed_6a/Branch_1/Conv2d_0a_1x1': [1, 1, 320, 256],
  'Mixed_6a/Branch_1/Conv2d_0b_3x3': [3, 3, 256, 256],
  'Mixed_6a/Branch_1/Conv2d_1a_3x3': [3, 3, 256, 384],
  'Repeat_1/block17_*/Branch_0/Conv2d_1x1': [1, 1, 1088, 192],
  'Repeat_1/block17_*/Branch_1/Conv2d_0a_1x1': [1, 1, 1088, 128],
  'Repeat_1/block17_*/Branch_1/Conv2d_0b_1x7': [1, 7, 128, 160],
  'Repeat_1/block17_*/Branch_1/Conv2d_0c_7x1': [7, 1, 160, 192],
  'Mixed_7a/Branch_0/Conv2d_0a_1x1': [1, 1, 1088, 256],
  'Mixed_7a/Branch_0/Conv2d_1a_3x3': [3, 3, 256, 384],
  'Mixed_7a/Branch_1/Conv2d_0a_1x1': [1, 1, 1088, 256],
  'Mixed_7a/Branch_1/Conv2d_1a_3x3': [3, 3, 256, 288],
  'Mixed_7a/Branch_2/Conv2d_0a_1x1': [1, 1, 1088, 256],
  'Mixed_7a/Branch_2/Conv2d_0b_3x3': [3, 3, 256, 288],
  'Mixed_7a/Branch_2/Conv2d_1a_3x3': [3, 3, 288, 320],
  'Repeat_2/block8_*/Branch_0/Conv2d_1x1': [1, 1, 2080, 192],
  'Repeat_2/block8_*/Branch_1/Conv2d_0a_1x1': [1, 1, 2080, 192],
  'Repeat_2/block8_*/Branch_1/Conv2d_0b_1x3': [1, 3, 192, 224],
  'Repeat_2/block8_*/Branch_1/Conv2d_0c_3x1': [3, 1, 224, 256],
  'Block8/Branch_0/Conv2d_1x1': [1, 1, 2080, 192],
  'Block8/Branch_1/Conv2d_0a_1x1': [1, 1, 2080, 192],
  'Block8/Branch_1/Conv2d_0b_1x3': [1, 3, 192, 224],
  'Block8/Branch_1/Conv2d_0c_3x1': [3, 1, 224, 256],
  Conv2d_7b_1x1: [1, 1, 2080, 1536],
  Bottleneck: [1536, 512],
};

/** Layers with a bias and without batch norm. */
const RESIDUAL_CONVOLUTIONS: Readonly<Record<string, number[]>> = {
  'Repeat/block35_*/Conv2d_1x1': [1, 1, 128, 320],
  'Repeat_1/block17_*/Conv2d_1x1': [1, 1, 384, 1088],
  'Repeat_2/block8_*/Conv2d_1x1': [1, 1, 448, 2080],
  'Block8/Conv2d_1x1': [1, 1, 448, 2080],
};

const REPETITIONS: Readonly<Record<string, number>> = { block35: 10, block17: 20, block8: 9 };

function repeated(table: Readonly<Record<string, number[]>>): [string, number[]][] {
  return Object.entries(table).flatMap(([pattern, shape]) => {
    const block = /(\w+)_\*/.exec(pattern)?.[1];
    const count = block === undefined ? 1 : REPETITIONS[block]!;
    return Array.from({ length: count }, (_, index): [string, number[]] => [
      `InceptionResnetV2/${pattern.replace('*', String(index + 1))}`,
      shape,
    ]);
  });
}

it('has the parameters of the original’s scopes', () => {
  const expected = new Map<string, number[]>();
  for (const [name, shape] of repeated(CONVOLUTIONS)) {
    expected.set(`${name}/weights`, shape);
    for (const parameter of ['beta', 'moving_mean', 'moving_variance'])
      expected.set(`${name}/BatchNorm/${parameter}`, [shape.at(-1)!]);
  }
  for (const [name, shape] of repeated(RESIDUAL_CONVOLUTIONS)) {
    expected.set(`${name}/weights`, shape);
    expected.set(`${name}/biases`, [shape.at(-1)!]);
  }
  expected.set('Logits/weights', [512, 10]).set('Logits/biases', [10]);
  expect(Object.fromEntries(shapes)).toEqual(Object.fromEntries(expected));
});

it('has as many values as Keras’ InceptionResNetV2 without its top', () => {
  const body = graph.parameters.filter(({ name }) => !/Bottleneck|Logits/.test(name));
  const count = (specs: typeof body): number =>
    specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  expect(count(body)).toBe(54_336_736);
  expect(count(body.filter(({ trainable }) => !trainable))).toBe(60_544);
  expect(graph.nodes.filter(({ kind }) => kind === 'conv2d')).toHaveLength(244);
});

it('scales the residuals as the original does', () => {
  const scales = graph.nodes.flatMap((node) => (node.kind === 'residual_add' ? [node.scale] : []));
  expect(scales).toEqual([...Array(10).fill(0.17), ...Array(20).fill(0.1), ...Array(9).fill(0.2), 1]);
  // The last block has no activation.
  expect(graph.nodes.some(({ name }) => name === 'InceptionResnetV2/Repeat_2/block8_9/Relu')).toBe(true);
  expect(graph.nodes.some(({ name }) => name === 'InceptionResnetV2/Block8/Relu')).toBe(false);
});

it('has the known feature map sizes at 160 and 299 pixels', () => {
  const at = (imageSize: number, name: string): number[] | undefined =>
    inferShapes(graph, { batchSize: 1, imageSize }).get(`InceptionResnetV2/${name}`);
  expect(at(299, 'Mixed_5b/concat')).toEqual([1, 35, 35, 320]);
  expect(at(299, 'Mixed_6a/concat')).toEqual([1, 17, 17, 1088]);
  expect(at(299, 'Mixed_7a/concat')).toEqual([1, 8, 8, 2080]);
  expect(at(160, 'Mixed_5b/concat')).toEqual([1, 17, 17, 320]);
  expect(at(160, 'Conv2d_7b_1x1')).toEqual([1, 3, 3, 1536]);
  expect(at(160, 'AvgPool')).toEqual([1, 1536]);
});

it('says truly which images are too small', () => {
  expect(graph.minimumImageSize).toBe(smallestImageSize(graph));
});

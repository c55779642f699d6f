import { expect, it } from 'vitest';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { inferShapes } from '../../../workers/compute/graph/shapes.ts';
import { elementCount } from '../../../workers/protocol/tensor.ts';
import { smallestImageSize } from './smallest_image_size.ts';

const graph = buildModel('models.squeezenet', { embeddingSize: 128, classes: 10 });
const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, [...shape]]));

/** The table in the publication: squeeze, expand and input channels of each fire module. */
const FIRE_MODULES: readonly [name: string, input: number, squeeze: number, expand: number][] = [
  ['fire2', 96, 16, 64],
  ['fire3', 128, 16, 64],
  ['fire4', 128, 32, 128],
  ['fire5', 256, 32, 128],
  ['fire6', 256, 48, 192],
  ['fire7', 384, 48, 192],
  ['fire8', 384, 64, 256],
  ['fire9', 512, 64, 256],
];

it('has the parameters of the original’s scopes, in its order', () => {
  const normalized = (name: string, shape: number[]): [string, number[]][] => [
    [`squeezenet/${name}/weights`, shape],
    ...['beta', 'moving_mean', 'moving_variance'].map((parameter): [string, number[]] => [
      `squeezenet/${name}/BatchNorm/${parameter}`,
      [shape.at(-1)!],
    ]),
  ];
  const expected = [
    ...normalized('conv1', [7, 7, 3, 96]),
    ...FIRE_MODULES.flatMap(([name, input, squeeze, expand]) => [
      ...normalized(`${name}/squeeze`, [1, 1, input, squeeze]),
      ...normalized(`${name}/expand/1x1`, [1, 1, squeeze, expand]),
      ...normalized(`${name}/expand/3x3`, [3, 3, squeeze, expand]),
    ]),
    ['squeezenet/conv10/weights', [1, 1, 512, 1000]],
    ['squeezenet/conv10/biases', [1000]],
    ...normalized('Bottleneck', [1000, 128]),
    ['Logits/weights', [128, 10]],
    ['Logits/biases', [10]],
  ];
  expect([...shapes]).toEqual(expected);
});

it('has as many trained values as the publication’s network, in which biases are in the betas’ place', () => {
  const values = graph.parameters
    .filter(({ name, trainable }) => trainable && !/Bottleneck|Logits/.test(name))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);
  expect(values).toBe(1_248_424);
  expect(graph.nodes.filter(({ kind }) => kind === 'conv2d')).toHaveLength(26);
});

it('has the known feature map sizes at 160 pixels', () => {
  const sizes = inferShapes(graph, { batchSize: 3, imageSize: 160 });
  expect(sizes.get('squeezenet/conv1')).toEqual([3, 80, 80, 96]);
  expect(sizes.get('squeezenet/maxpool1')).toEqual([3, 39, 39, 96]);
  expect(sizes.get('squeezenet/fire4/expand/concat')).toEqual([3, 39, 39, 256]);
  expect(sizes.get('squeezenet/maxpool4')).toEqual([3, 19, 19, 256]);
  expect(sizes.get('squeezenet/maxpool8')).toEqual([3, 9, 9, 512]);
  expect(sizes.get('squeezenet/conv10')).toEqual([3, 9, 9, 1000]);
  expect(sizes.get(graph.outputs.embeddings)).toEqual([3, 128]);
  expect(sizes.get(graph.outputs.logits!)).toEqual([3, 10]);
});

it('says truly which images are too small', () => {
  expect(graph.minimumImageSize).toBe(smallestImageSize(graph));
});

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  digestTensor,
  hashedParameter,
  hashedPixels,
} from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { UnknownModelError } from '../../../workers/protocol/train/networks.ts';
import { inferShapes, ImageTooSmallError } from '../../../workers/compute/graph/shapes.ts';
import { elementCount } from '../../../workers/protocol/tensor.ts';

const graph = buildModel('models.inception_resnet_v1', { embeddingSize: 512, classes: 10 });

describe('inception_resnet_v1', () => {
  it('has the published number of parameters and convolutions', () => {
    const trainable = graph.parameters.filter((spec) => spec.trainable);
    const values = trainable.reduce((sum, spec) => sum + elementCount(spec.shape), 0);
    expect(values).toBeCloseTo(23.47e6, -5);
    expect(graph.nodes.filter((node) => node.kind === 'conv2d')).toHaveLength(132);
    expect(graph.parameters).toHaveLength(492);
  });

  it('has the known feature map sizes at 160 pixels', () => {
    const shapes = inferShapes(graph, { batchSize: 2, imageSize: 160 });
    expect(shapes.get('InceptionResnetV1/MaxPool_3a_3x3')).toEqual([2, 38, 38, 64]);
    expect(shapes.get('InceptionResnetV1/Mixed_6a/concat')).toEqual([2, 8, 8, 896]);
    expect(shapes.get('InceptionResnetV1/Mixed_7a/concat')).toEqual([2, 3, 3, 1792]);
    expect(shapes.get('InceptionResnetV1/AvgPool')).toEqual([2, 1792]);
    expect(shapes.get(graph.outputs.logits!)).toEqual([2, 10]);
  });

  it('takes 75 pixels and refuses 74 by name', () => {
    expect(() => inferShapes(graph, { batchSize: 1, imageSize: 75 })).not.toThrow();
    expect(() => inferShapes(graph, { batchSize: 1, imageSize: 74 })).toThrow(ImageTooSmallError);
  });

  it('names the models there are when asked for another', () => {
    expect(() => buildModel('models.toString', { embeddingSize: 8, classes: 2 })).toThrow(UnknownModelError);
    expect(() => buildModel('vgg', { embeddingSize: 8, classes: 2 })).toThrow(/inception_resnet_v1/);
  });
});

const fixturePath = '../shared/fixtures/inception-resnet-v1.json';
describe.skipIf(!existsSync(fixturePath))('against the reference fixture', () => {
  const fixture = existsSync(fixturePath) ? JSON.parse(readFileSync(fixturePath, 'utf8')) : undefined;

  it('has the same names, shapes, order and hashed values', () => {
    expect(graph.parameters.map((spec) => spec.name)).toEqual(Object.keys(fixture.parameters));
    for (const spec of graph.parameters) {
      const expected = fixture.parameters[spec.name];
      expect([...spec.shape]).toEqual(expected.shape);
      expect(spec.trainable).toBe(expected.trainable);
      const digest = digestTensor(spec.name, fixture.seed, hashedParameter(spec, fixture.seed).data);
      expect(Math.abs(digest.l2 - expected.l2)).toBeLessThan(1e-5 * expected.l2);
      expect(Math.abs(digest.probe - expected.probe)).toBeLessThan(1e-5 * expected.l2);
    }
  });

  it('has the same pixels', () => {
    const pixels = hashedPixels(fixture.batch_size, fixture.image_size, fixture.seed);
    expect(pixels.reduce((sum, value) => sum + value, 0)).toBe(fixture.pixels.sum);
    expect([...pixels.slice(0, 8)]).toEqual(fixture.pixels.first);
  });
});

/** dlib's face network: the sizes that its published definition gives, layer by layer. */
import { expect, it } from 'vitest';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { inferShapes } from '../../../workers/compute/graph/shapes.ts';
import { smallestImageSize } from './smallest_image_size.ts';

const graph = buildModel('dlib_face_resnet', { embeddingSize: 128, classes: 10 });

it('has dlib’s layers', () => {
  const sizes = inferShapes(graph, { batchSize: 3, imageSize: 150 });
  const of = (name: string): number[] => sizes.get(`DlibFaceResnet/${name}`)!;
  expect(of('conv32_down')).toEqual([3, 72, 72, 32]);
  expect(of('max_pool')).toEqual([3, 35, 35, 32]);
  expect(of('conv64_down/Relu')).toEqual([3, 17, 17, 64]);
  expect(of('conv128_down/Relu')).toEqual([3, 8, 8, 128]);
  // The convolutions leave 3 × 3 values, the pooled shortcut 4 × 4.
  expect(of('conv256_down/conv2')).toEqual([3, 3, 3, 256]);
  expect(of('conv256_down/Relu')).toEqual([3, 4, 4, 256]);
  expect(of('conv256_down_out/Relu')).toEqual([3, 2, 2, 256]);
  expect(graph.nodes.filter(({ kind }) => kind === 'conv2d')).toHaveLength(29);
});

it('compares embeddings without normalising them', () => {
  expect(graph.outputs.embeddings).toBe(graph.outputs.prelogits);
});

it('says truly which images are too small', () => {
  expect(graph.minimumImageSize).toBe(smallestImageSize(graph));
});

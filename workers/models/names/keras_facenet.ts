/**
 * keras-facenet's Inception-ResNet-v1 (https://github.com/nyoki-mtl/keras-facenet): layers `Conv2d_1a_3x3`,
 * `Block35_1_Branch_1_Conv2d_0b_3x3`, `Mixed_6a_Branch_0_Conv2d_1a_3x3`, `Bottleneck`, each with `…_BatchNorm`. Its
 * sixth Block8 is the last one, which has a scope of its own here. Layouts are the ones here; batch norms have no gamma
 * and ε = 0.001. TensorFlow.js layers models made of it have the same names.
 */
import type { Graph } from '../../compute/graph/ir.ts';
import type { ForeignTensor, NameTable } from './name_table.ts';

const SCOPE = 'InceptionResnetV1/';

/** @param graph inception_resnet_v1; other networks get an empty table */
export function kerasFacenetNames(graph: Graph): NameTable {
  const tensors = new Map<string, ForeignTensor>();
  const gammas = new Map<string, string>();
  const put = (parameter: string, name: string): void =>
    void tensors.set(parameter, { name, layout: 'same' });
  for (const node of graph.name === 'inception_resnet_v1' ? graph.nodes : []) {
    if (node.kind === 'conv2d' || (node.kind === 'dense' && node.name !== 'Logits')) {
      const layer = layerName(node.name);
      put(node.weights, `${layer}/kernel`);
      if (node.biases !== undefined) put(node.biases, `${layer}/bias`);
    } else if (node.kind === 'batch_norm') {
      const layer = `${layerName(node.input)}_BatchNorm`;
      put(node.beta, `${layer}/beta`);
      put(node.movingMean, `${layer}/moving_mean`);
      put(node.movingVariance, `${layer}/moving_variance`);
      gammas.set(node.beta, `${layer}/gamma`);
    }
  }
  return { program: 'keras-facenet', tensors, gammas, isIgnored: () => false };
}

function layerName(scope: string): string {
  return scope
    .slice(SCOPE.length)
    .replace(/^Repeat(_\d)?\/block(\d+_\d+)/, 'Block$2')
    .replace(/^Block8\//, 'Block8_6/')
    .replaceAll('/', '_');
}

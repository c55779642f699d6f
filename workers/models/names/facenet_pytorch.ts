/**
 * facenet-pytorch's InceptionResnetV1 (https://github.com/timesler/facenet-pytorch), the names of its state dict:
 * `conv2d_1a.conv.weight`, `conv2d_1a.bn.running_mean`, `repeat_1.0.branch1.2.conv.weight`, `repeat_1.0.conv2d.bias`,
 * `last_linear.weight`, `last_bn.weight`, `logits.weight`. Convolutions are [out, in, height, width]; its batch norms
 * have a gamma (`weight`) and ε = 0.001, as here.
 */
import type { Graph } from '../../compute/graph/ir.ts';
import { CLASSIFIER_BIASES, CLASSIFIER_WEIGHTS, type ForeignTensor, type NameTable } from './name_table.ts';

const SCOPE = 'InceptionResnetV1/';
const REPEATS: Readonly<Record<string, string>> = {
  Repeat: 'repeat_1',
  Repeat_1: 'repeat_2',
  Repeat_2: 'repeat_3',
};

/** @param graph inception_resnet_v1; other networks have no names there, and get an empty table */
export function facenetPytorchNames(graph: Graph): NameTable {
  const tensors = new Map<string, ForeignTensor>();
  const gammas = new Map<string, string>();
  const layers = graph.name === 'inception_resnet_v1' ? graph.nodes : [];
  const branchLengths = new Map<string, number>();
  for (const node of layers)
    if (node.kind === 'conv2d') {
      const scope = branchScope(node.name);
      if (scope !== undefined) branchLengths.set(scope, (branchLengths.get(scope) ?? 0) + 1);
    }
  const branchPlaces = new Map<string, number>();
  /** From a layer's scope to the module that holds its batch norm. */
  const modules = new Map<string, { readonly name: string; readonly batchNorm: string }>();
  for (const node of layers) {
    if (node.kind === 'conv2d') {
      const scope = branchScope(node.name);
      const place = branchPlaces.get(scope ?? '') ?? 0;
      if (scope !== undefined) branchPlaces.set(scope, place + 1);
      const module = moduleName(node.name, branchLengths.get(scope ?? '') === 1 ? undefined : place);
      // A convolution with a bias is a module of its own; the others are one together with their batch norm.
      const own = node.biases === undefined ? `${module}.conv` : module;
      tensors.set(node.weights, { name: `${own}.weight`, layout: 'OIHW' });
      if (node.biases !== undefined) tensors.set(node.biases, { name: `${own}.bias`, layout: 'same' });
      modules.set(node.name, { name: module, batchNorm: `${module}.bn` });
    } else if (node.kind === 'dense' && node.name !== 'Logits') {
      tensors.set(node.weights, { name: 'last_linear.weight', layout: 'OI' });
      modules.set(node.name, { name: 'last_linear', batchNorm: 'last_bn' });
    } else if (node.kind === 'batch_norm') {
      const { batchNorm } = modules.get(node.input)!;
      tensors.set(node.beta, { name: `${batchNorm}.bias`, layout: 'same' });
      tensors.set(node.movingMean, { name: `${batchNorm}.running_mean`, layout: 'same' });
      tensors.set(node.movingVariance, { name: `${batchNorm}.running_var`, layout: 'same' });
      gammas.set(node.beta, `${batchNorm}.weight`);
    }
  }
  if (layers.length > 0) {
    tensors.set(CLASSIFIER_WEIGHTS, { name: 'logits.weight', layout: 'OI' });
    tensors.set(CLASSIFIER_BIASES, { name: 'logits.bias', layout: 'same' });
  }
  return {
    program: 'facenet-pytorch',
    tensors,
    gammas,
    isIgnored: (name) => name.endsWith('.num_batches_tracked'),
  };
}

/** `…/Branch_1` of a convolution in a branch. */
function branchScope(scope: string): string | undefined {
  return /^.*\/Branch_\d+(?=\/)/.exec(scope)?.[0];
}

/** @param place in its branch; undefined where it is alone there */
function moduleName(scope: string, place: number | undefined): string {
  const parts = scope.slice(SCOPE.length).split('/');
  const names: string[] = [];
  for (const part of parts) {
    const repeated = REPEATS[part];
    const block = /^block\d+_(\d+)$/.exec(part);
    const branch = /^Branch_(\d+)$/.exec(part);
    if (repeated) names.push(repeated);
    else if (block) names.push(String(Number(block[1]) - 1));
    else if (branch) names.push(`branch${branch[1]}${place === undefined ? '' : `.${place}`}`);
    else if (part === 'Block8' || part.startsWith('Mixed_')) names.push(part.toLowerCase());
    else if (parts.length === 1)
      names.push(part.replace(/_\dx\d$/, '').replace('Conv2d', 'conv2d')); // `Conv2d_1a_3x3` of the stem
    else if (!parts.some((other) => other.startsWith('Branch_'))) names.push('conv2d');
  }
  return names.join('.');
}

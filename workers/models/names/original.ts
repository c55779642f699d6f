/**
 * The original's own variable names, which are the names here: its checkpoints, its frozen graphs, and safetensors.
 * Some trainings of it had batch norms with gamma, beside their beta.
 */
import type { Graph } from '../../compute/graph/ir.ts';
import { CLASSIFIER_BIASES, CLASSIFIER_WEIGHTS, type ForeignTensor, type NameTable } from './name_table.ts';

export function originalNames(graph: Graph): NameTable {
  const names = [...graph.parameters.map(({ name }) => name), CLASSIFIER_WEIGHTS, CLASSIFIER_BIASES];
  return {
    program: 'the original',
    tensors: new Map(names.map((name): [string, ForeignTensor] => [name, { name, layout: 'same' }])),
    gammas: new Map(
      graph.nodes.flatMap((node): [string, string][] =>
        node.kind === 'batch_norm' ? [[node.beta, node.beta.replace(/beta$/, 'gamma')]] : [],
      ),
    ),
    // Optimizer slots, moving averages of parameters, counters, and the nodes of a frozen graph that hold numbers.
    isIgnored: (name) =>
      !names.includes(name) && !/\/(weights|biases|beta|moving_(mean|variance))$/.test(name),
  };
}

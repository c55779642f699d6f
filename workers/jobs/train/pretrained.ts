/** Starting from another model's weights: by name, with the logits anew where the people are others. */
import type { Graph } from '../../graph/ir.ts';
import type { HostTensor } from '../../graph/tensor.ts';
import { loadModel } from '../../models/load_model.ts';
import type { ModelReference } from '../../protocol/models.ts';
import type { Executor } from '../../training/executor.ts';

/**
 * @returns what was taken, in one sentence
 * @throws ShapeMismatchError, and what loading the model throws
 */
export async function startFromPretrained(
  executor: Executor,
  graph: Graph,
  classNames: readonly string[],
  reference: ModelReference,
): Promise<string> {
  const model = await loadModel(reference);
  // A label is a place in the list of people: a classifier of other people is worth nothing here.
  const knownNames = model.metadata?.class_names;
  const areOtherPeople = knownNames !== undefined && knownNames.join('\n') !== classNames.join('\n');
  const taken = new Map<string, HostTensor>();
  for (const { name, shape } of graph.parameters) {
    const tensor = model.parameters.get(name);
    const isOtherClassifier =
      name.startsWith('Logits/') && (areOtherPeople || tensor?.shape.join() !== shape.join());
    if (tensor && !isOtherClassifier) taken.set(name, tensor);
  }
  await executor.writeParameters(taken);
  const fresh = graph.parameters.length - taken.size;
  return `Started from ${model.name}: ${taken.size} of ${graph.parameters.length} parameters taken${fresh ? `, ${fresh} start anew` : ''}.`;
}

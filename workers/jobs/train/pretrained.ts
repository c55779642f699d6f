/** Starting from another model's weights: by name, with the logits anew where the people are others. */
import type { Graph } from '../../compute/graph/ir.ts';
import type { HostTensor } from '../../protocol/tensor.ts';
import { classNamesChecksum } from '../../models/class_names.ts';
import { loadParameters } from '../../models/load_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { ModelReference } from '../../protocol/models/models.ts';
import { standardizationOf, standardizationWords } from '../../protocol/models/standardization.ts';
import type { Trainer } from '../../compute/executor.ts';

/**
 * @returns what was taken, in some sentences
 * @throws ShapeMismatchError, and what loading the model throws
 */
export async function startFromPretrained(
  executor: Trainer,
  graph: Graph,
  classNames: readonly string[],
  reference: ModelReference,
): Promise<string> {
  const model = await loadParameters(reference);
  // A label is a place in the list of people: a classifier of other people is worth nothing here.
  const areSamePeople = model.metadata?.class_names_checksum === classNamesChecksum(classNames);
  const taken = new Map<string, HostTensor>();
  for (const { name, shape } of graph.parameters) {
    const tensor = model.parameters.get(name);
    const isOtherClassifier =
      name.startsWith('Logits/') && (!areSamePeople || tensor?.shape.join() !== shape.join());
    if (tensor && !isOtherClassifier) taken.set(name, tensor);
  }
  await executor.writeParameters(taken);
  const fresh = graph.parameters.length - taken.size;
  return `Started from ${model.name}: ${taken.size} of ${graph.parameters.length} parameters reused${fresh ? `, ${fresh} start fresh` : ''}.${otherStandardization(model, executor)}`;
}

/** A sentence where the model has learned from images that were standardised in another way. */
function otherStandardization(model: LoadedModel, { settings }: Trainer): string {
  const { useFixedImageStandardization: own } = settings;
  const { useFixedImageStandardization: its, isStandardizationUnknown } = model;
  if (isStandardizationUnknown || own === its) return '';
  const words = (isFixed: boolean): string => standardizationWords(standardizationOf(isFixed));
  return ` It was trained with another image standardisation (${words(its)}) than this run's (${words(own)}): its values fit badly. Set use_fixed_image_standardization to ${its ? 'True' : 'False'} to start where it ended.`;
}

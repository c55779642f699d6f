/** The models by the names that `model_def` takes; adding a model is adding a file here. */
import type { Graph, ModelDefinition, ModelOptions } from '../ir.ts';
import { inceptionResnetV1 } from './inception_resnet_v1.ts';
import { inceptionResnetV2 } from './inception_resnet_v2.ts';
import { squeezenet } from './squeezenet.ts';

const MODELS: Readonly<Record<string, ModelDefinition>> = {
  inception_resnet_v1: inceptionResnetV1,
  inception_resnet_v2: inceptionResnetV2,
  squeezenet,
};

export const MODEL_NAMES: readonly string[] = Object.keys(MODELS);

export class UnknownModelError extends Error {
  override name = 'UnknownModelError';
  constructor(modelDef: string) {
    super(
      `There is no model "${modelDef}". Known models: ${MODEL_NAMES.map((name) => `models.${name}`).join(', ')}.`,
    );
  }
}

/**
 * @param modelDef with or without the original's `models.` prefix
 * @throws UnknownModelError
 */
export function buildModel(modelDef: string, options: ModelOptions): Graph {
  const name = modelDef.replace(/^models\./, '');
  const definition = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (!definition) throw new UnknownModelError(modelDef);
  return definition(options);
}

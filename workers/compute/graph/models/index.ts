/** The builders of the networks, by the names in protocol/networks.ts. A new network is a file here and a line in both. */
import { networkName, UnknownModelError } from '../../../protocol/train/networks.ts';
import type { Graph, ModelDefinition, ModelOptions } from '../ir.ts';
import { dlibFaceResnet } from './dlib_face_resnet.ts';
import { inceptionResnetV1 } from './inception_resnet_v1.ts';
import { inceptionResnetV2 } from './inception_resnet_v2.ts';
import { squeezenet } from './squeezenet.ts';

const BUILDERS: Readonly<Record<string, ModelDefinition>> = {
  inception_resnet_v1: inceptionResnetV1,
  inception_resnet_v2: inceptionResnetV2,
  squeezenet,
  dlib_face_resnet: dlibFaceResnet,
};

/**
 * @param modelDef with or without the original's `models.` prefix
 * @throws UnknownModelError
 */
export function buildModel(modelDef: string, options: ModelOptions): Graph {
  const name = networkName(modelDef);
  if (name === undefined) throw new UnknownModelError(modelDef);
  return BUILDERS[name]!(options);
}

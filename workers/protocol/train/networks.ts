/** The networks that `model_def` names: what is known of them before one is built. */
interface NetworkFacts {
  /** Width and height of the smallest images that the network takes, pixels; the builders state the same numbers. */
  readonly minimumImageSize: number;
}

/** By the names without the original's `models.` prefix. */
const NETWORKS: Readonly<Record<string, NetworkFacts>> = {
  inception_resnet_v1: { minimumImageSize: 75 },
  inception_resnet_v2: { minimumImageSize: 75 },
  squeezenet: { minimumImageSize: 25 },
  dlib_face_resnet: { minimumImageSize: 103 },
};

export const MODEL_NAMES: readonly string[] = Object.keys(NETWORKS);

export class UnknownModelError extends Error {
  override name = 'UnknownModelError';
  constructor(modelDef: string) {
    super(
      `There is no model "${modelDef}". Known models: ${MODEL_NAMES.map((name) => `models.${name}`).join(', ')}.`,
    );
  }
}

/** @param modelDef with or without the original's `models.` prefix */
export function networkName(modelDef: string): string | undefined {
  const name = modelDef.replace(/^models\./, '');
  return Object.hasOwn(NETWORKS, name) ? name : undefined;
}

/** @returns pixels; undefined for an unknown model */
export function minimumImageSize(modelDef: string): number | undefined {
  const name = networkName(modelDef);
  return name === undefined ? undefined : NETWORKS[name]!.minimumImageSize;
}

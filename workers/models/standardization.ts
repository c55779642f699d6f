/**
 * Which standardisation a model needs that does not say it itself. A wrong one gives embeddings that look right and are
 * not, so that what cannot be known is asked for.
 *
 * - facenet-pytorch standardises with (p − 127.5)/128 (its `fixed_image_standardization`).
 * - keras-facenet standardises each image by itself (its `prewhiten`).
 * - The original had `tf.image.per_image_standardization` alone until 2018; its models of 2018 are trained with
 *   `use_fixed_image_standardization` (its README, "Pre-trained models"). Its models and runs are named by their time.
 */
import type { ImageStandardization, StandardizationFact } from '../protocol/models/standardization.ts';
import { STANDARDIZATION_HELP } from '../protocol/models/standardization.ts';

export class StandardizationUnknownError extends Error {
  override name = 'StandardizationUnknownError';
  constructor(file: string) {
    super(
      `${file} does not say which image standardisation it needs. With the wrong one, every embedding is wrong, and nothing else shows it. Use --image_standardization fixed or --image_standardization per_image; on the page, choose it under “Image standardisation”. ${STANDARDIZATION_HELP}`,
    );
  }
}

const PUBLISHED: Readonly<Record<string, ImageStandardization>> = {
  '20170511-185253': 'per_image',
  '20170512-110547': 'per_image',
  '20180402-114759': 'fixed',
  '20180408-102900': 'fixed',
};
const RUN_NAME = /(?<!\d)(20\d{6}-\d{6})(?!\d)/g;
/** Runs named before this were trained when the original had nothing else. */
const FIRST_FIXED = '20180101';

/** @param names of the file and of the folders that it lies in */
export function standardizationByName(names: readonly string[]): StandardizationFact | undefined {
  const runs = names.flatMap((name) => [...name.matchAll(RUN_NAME)].map(([, run]) => run!));
  for (const run of runs) {
    const value = PUBLISHED[run];
    if (value) return { value, basis: `like the published FaceNet model ${run}, which has the same name` };
  }
  const old = runs.find((run) => run < FIRST_FIXED);
  return old === undefined
    ? undefined
    : {
        value: 'per_image',
        basis: `because its name, ${old}, dates from before the original had another one`,
      };
}

/** @param program as the name tables call it */
export function standardizationOfProgram(program: string): StandardizationFact | undefined {
  const value: ImageStandardization | undefined =
    program === 'facenet-pytorch' ? 'fixed' : program === 'keras-facenet' ? 'per_image' : undefined;
  return value && { value, basis: `like all models of ${program}` };
}

/**
 * From the nodes of a graph that holds the reading of its images too.
 * @param constants their names
 * @param scalars values of the constants without axes
 */
export function standardizationOfNodes(
  constants: Iterable<string>,
  scalars: Iterable<number>,
): StandardizationFact | undefined {
  let isPerImage = false;
  let isFixed = false;
  for (const name of constants) isPerImage ||= /(^|\/)per_image_standardization(_\d+)?\//.test(name);
  for (const value of scalars) isFixed ||= value === 127.5;
  // The original of 2018 has both, and chooses between them with a number that is fed.
  if (isPerImage === isFixed) return undefined;
  return { value: isFixed ? 'fixed' : 'per_image', basis: 'according to the nodes of its graph' };
}

/** How a model's images are standardised, in every command that uses one, and what is said of a model before it is used. */
import type { ModelReference } from '../../workers/protocol/models/models.ts';
import {
  standardizationWords,
  type ImageStandardization,
} from '../../workers/protocol/models/standardization.ts';
import type { BrowserSession } from '../browser/browser_session.ts';
import { UsageError } from '../system/errors.ts';
import type { Arguments, FlagSpec } from './flags.ts';
import { openModel } from './model_path.ts';
import type { Output } from './output.ts';

export const MODEL_FLAGS: readonly FlagSpec[] = [
  {
    name: 'image_standardization',
    type: 'choice',
    choices: ['fixed', 'per_image'],
    description:
      'fixed: (p − 127.5)/128; per_image: by each image’s mean and standard deviation. Default: as stated in the model. Required if the model does not state it.',
  },
  {
    name: 'use_fixed_image_standardization',
    type: 'flag',
    description: 'The original’s flag: True means --image_standardization fixed, False means per_image.',
  },
];

/** @returns undefined where the model is to say it. @throws UsageError */
export function chosenStandardization(args: Arguments): ImageStandardization | undefined {
  const { image_standardization: choice, use_fixed_image_standardization: isFixed } = args.values;
  const original =
    typeof isFixed === 'boolean' ? (isFixed ? ('fixed' as const) : ('per_image' as const)) : undefined;
  const chosen = choice === 'fixed' || choice === 'per_image' ? choice : undefined;
  if (chosen && original && chosen !== original)
    throw new UsageError(
      `--image_standardization ${chosen} and --use_fixed_image_standardization ${isFixed ? 'True' : 'False'} contradict each other. Use only one of them.`,
    );
  return chosen ?? original;
}

/**
 * Says what the model is and how its images are standardised.
 * @param path absolute
 * @throws UsageError, and what reading the model throws, StandardizationUnknownError among it
 */
export async function openShownModel(
  session: BrowserSession,
  path: string,
  args: Arguments,
  output: Output,
): Promise<ModelReference> {
  const reference = { ...openModel(session, path), standardization: chosenStandardization(args) };
  const { file, kind, model_def, embedding_size, image_size, standardization, notes } =
    await session.train.describeModel(reference);
  output.line(
    `Model: ${file}, ${kind}: ${model_def.replace('models.', '')}, ${embedding_size} values per face, from ${image_size} × ${image_size} pixels`,
  );
  output.line(
    `Image standardisation: ${standardizationWords(standardization.value)}, ${standardization.basis}`,
  );
  for (const note of notes) output.line(`Note: ${note}`);
  return reference;
}

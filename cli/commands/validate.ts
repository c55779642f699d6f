/** validate: the original's validate_on_lfw. */
import { join } from 'node:path';
import { foldLines, resultJson, wrongPairLines } from '../../workers/protocol/evaluate/result_text.ts';
import type { EvaluateRequest } from '../../workers/protocol/evaluate/evaluate.ts';
import { EVALUATION_LIMITS, PAIRS_LIMITS } from '../../workers/protocol/align/limits.ts';
import { describeSkipped } from '../../workers/protocol/data/skipped_files.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  type Command,
  interruptibleControl,
  isSet,
  numberOf,
} from '../arguments/command.ts';
import { numberFlag } from '../arguments/flags.ts';
import { formatEvaluation, formatProgress } from '../arguments/format.ts';
import { MODEL_FLAGS, openShownModel } from '../arguments/model_flags.ts';
import { canBeModel, requireModel } from '../arguments/model_path.ts';
import { choosePairs, notePairs, PAIRS_FLAGS, pairsSource, type PairsChoice } from '../arguments/pairs.ts';
import { kindOf, requireFolder, resolvePath } from '../system/paths.ts';

const SKIPPED_SHOWN = 10;

/** Where no pairs file is named or found, the folder's own is taken. */
function withPairsInside(pairs: PairsChoice, folder: string): PairsChoice {
  const inside = join(folder, 'pairs.txt');
  return pairs.path === undefined && kindOf(inside) === 'file' ? { ...pairs, path: inside } : pairs;
}

/** The original's validate_on_lfw takes the folder first and the model second: that order is understood, too. */
function inOrder(positionals: readonly string[]): { model: string; folder: string; isSwapped: boolean } {
  const [first, second] = positionals as [string, string];
  const isSwapped = !canBeModel(first) && kindOf(resolvePath(first)) === 'folder' && canBeModel(second);
  return isSwapped
    ? { model: second, folder: first, isSwapped }
    : { model: first, folder: second, isSwapped };
}

export const validateCommand: Command = {
  name: 'validate',
  summary: 'Evaluate a model on pairs of photos (the LFW test): accuracy, VAL at FAR 0.001, AUC, EER.',
  details:
    'The order of the original (davidsandberg/facenet), with the folder first and the model second, also works if the folder contains no model.',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or an export (the newest model in it is used).',
    },
    { name: 'lfw_dir', description: 'The folder of aligned faces, with one subfolder per person.' },
  ],
  flags: [
    ...PAIRS_FLAGS,
    numberFlag('lfw_nrof_folds', PAIRS_LIMITS.lfw_nrof_folds, {
      default: 10,
      description: 'Number of folds for cross validation.',
    }),
    numberFlag('lfw_batch_size', EVALUATION_LIMITS.lfw_batch_size, {
      default: 100,
      description: 'Number of images per batch.',
    }),
    {
      name: 'lfw_distance_metric',
      aliases: ['distance_metric'],
      type: 'choice',
      choices: [0, 1],
      default: 0,
      description: '0: squared Euclidean distance; 1: angle.',
    },
    {
      name: 'lfw_use_flipped_images',
      aliases: ['use_flipped_images'],
      type: 'flag',
      description: 'Also embed the mirror image of each image.',
    },
    {
      name: 'lfw_subtract_mean',
      aliases: ['subtract_mean'],
      type: 'flag',
      description: 'Subtract the mean embedding before measuring distances.',
    },
    numberFlag('far_target', EVALUATION_LIMITS.far_target, {
      default: 0.001,
      description: 'The false accept rate at which the validation rate is measured.',
    }),
    {
      name: 'worst_pairs',
      type: 'flag',
      description: 'Also list the model’s biggest mistakes.',
    },
    numberFlag('image_size', EVALUATION_LIMITS.image_size, {
      description: "Width and height of the network's input, in pixels. Default: the model's own.",
    }),
    ...MODEL_FLAGS,
    BACKEND_FLAG,
  ],
  example: 'validate ~/models/facenet/20260101-120000 ~/datasets/lfw/lfw_160 --lfw_pairs pairs.txt',
  async run(context) {
    const { args, output } = context;
    const named = inOrder(args.positionals);
    const model = requireModel(named.model);
    const images = requireFolder(resolvePath(named.folder));
    const pairs = withPairsInside(choosePairs(args), images);
    const { image_size } = args.values;
    const session = await context.openSession();
    if (named.isSwapped)
      output.line(
        `Note: reading ${named.model} as the model and ${named.folder} as the folder (the original’s order).`,
      );
    const reference = await openShownModel(session, model, args, output);
    notePairs(pairs, output);
    const request: EvaluateRequest = {
      model: reference,
      pairs: pairsSource(pairs, session.openFolder(images)),
      options: {
        lfw_batch_size: numberOf(args, 'lfw_batch_size'),
        lfw_distance_metric: args.values['lfw_distance_metric'] === 1 ? 1 : 0,
        lfw_use_flipped_images: isSet(args, 'lfw_use_flipped_images'),
        lfw_subtract_mean: isSet(args, 'lfw_subtract_mean'),
        far_target: numberOf(args, 'far_target'),
        image_size: typeof image_size === 'number' ? image_size : undefined,
      },
      backend: chosenBackend(args),
    };
    const control = interruptibleControl(context);
    const result = await session.train.evaluate(request, control, ({ done, total, imagesPerSecond: rate }) =>
      output.progress(
        formatProgress('Embedded', 'images', { done, total, rate, secondsLeft: (total - done) / rate }),
        done === total,
      ),
    );
    for (const line of describeSkipped(result.skippedFiles ?? [])) output.line(line);
    if (result.skippedPairs > 0)
      output.line(
        `Skipped ${result.skippedPairs} pairs: ${result.skippedCauses
          .slice(0, SKIPPED_SHOWN)
          .map(({ cause }) => cause)
          .join(', ')}`,
      );
    for (const line of formatEvaluation(result)) output.line(line);
    for (const line of foldLines(result)) output.line(line);
    if (isSet(args, 'worst_pairs')) for (const line of wrongPairLines(result.wrong)) output.line(line);
    return { json: resultJson(result) };
  },
};

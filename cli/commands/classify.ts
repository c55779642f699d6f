/** classify: the original's classifier. */
import { BATCH_SIZE, SEED, USE_LIMITS } from '../../workers/protocol/align/limits.ts';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { compareNames } from '../../workers/protocol/data/names.ts';
import { csvCell } from '../../workers/protocol/escape_text.ts';
import type { ClassPrediction } from '../../workers/protocol/use/classify.ts';
import { describeSkipped } from '../../workers/protocol/data/skipped_files.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  type Command,
  interruptibleControl,
  isSet,
  numberOf,
  textOf,
} from '../arguments/command.ts';
import { numberFlag } from '../arguments/flags.ts';
import { CommandError, UsageError } from '../system/errors.ts';
import { formatProgress } from '../arguments/format.ts';
import { MODEL_FLAGS, openShownModel } from '../arguments/model_flags.ts';
import { requireModel } from '../arguments/model_path.ts';
import { prepareOutputFolder } from '../arguments/output_folder.ts';
import { requireFile, requireFolder, resolvePath } from '../system/paths.ts';

export const classifyCommand: Command = {
  name: 'classify',
  summary:
    'Train a classifier of people on their embeddings (TRAIN), and recognise them in other photos (CLASSIFY).',
  details:
    'The classifier is a linear support vector machine. With --use_split_dataset, one folder serves both modes: TRAIN uses some images of each person, CLASSIFY the others.',
  positionals: [
    { name: 'mode', description: 'TRAIN or CLASSIFY.' },
    { name: 'data_dir', description: 'The folder of aligned faces, with one subfolder per person.' },
    {
      name: 'model',
      description: 'A model file, or the folder of a run or an export (the newest model in it is used).',
    },
    {
      name: 'classifier_filename',
      description: 'The classifier file (JSON), which TRAIN writes and CLASSIFY reads.',
    },
  ],
  flags: [
    {
      name: 'use_split_dataset',
      type: 'flag',
      description: 'Split data_dir into images for training and images for testing.',
    },
    {
      name: 'test_data_dir',
      type: 'text',
      placeholder: 'folder',
      description: 'For CLASSIFY: another folder of aligned faces to use instead of data_dir.',
    },
    numberFlag('min_nrof_images_per_class', USE_LIMITS.min_nrof_images_per_class, {
      default: 20,
      description: 'With --use_split_dataset: exclude people with fewer images.',
    }),
    numberFlag('nrof_train_images_per_class', USE_LIMITS.nrof_train_images_per_class, {
      default: 10,
      description: 'With --use_split_dataset: number of images per person for training.',
    }),
    numberFlag('batch_size', BATCH_SIZE, {
      default: 90,
      description: 'Number of images per batch.',
    }),
    numberFlag('image_size', USE_LIMITS.image_size, {
      description: 'Size of the square cut from each image’s centre, in pixels. Default: the model’s own.',
    }),
    {
      name: 'confusion_matrix',
      type: 'text',
      placeholder: 'file',
      description:
        'For CLASSIFY: write a CSV file with one row per person and one column per recognised person.',
    },
    numberFlag('seed', SEED, {
      default: 666,
      description: 'Seed of the split and the training.',
    }),
    ...MODEL_FLAGS,
    BACKEND_FLAG,
  ],
  example: 'classify TRAIN ~/datasets/my_160 ~/models/facenet/20260101-120000 my_classifier.json',
  async run(context) {
    const { args, output } = context;
    const mode = args.positionals[0]!.toUpperCase();
    if (mode !== 'TRAIN' && mode !== 'CLASSIFY')
      throw new UsageError(`<mode> must be TRAIN or CLASSIFY, not "${args.positionals[0]!}".`);
    const test = mode === 'CLASSIFY' ? textOf(args, 'test_data_dir') : undefined;
    const images = requireFolder(resolvePath(test ?? args.positionals[1]!));
    const model = requireModel(args.positionals[2]!);
    const classifierPath = resolvePath(args.positionals[3]!);
    const matrix = mode === 'CLASSIFY' ? textOf(args, 'confusion_matrix') : undefined;
    const matrixPath = matrix && resolvePath(matrix);
    if (mode === 'TRAIN') prepareOutputFolder(dirname(classifierPath));
    else requireFile(classifierPath);
    if (matrixPath) prepareOutputFolder(dirname(matrixPath));
    const { image_size: imageSize } = args.values;
    const session = await context.openSession();
    const reference = await openShownModel(session, model, args, output);
    const summary = await session.train.classify(
      {
        mode,
        model: reference,
        images: [session.openFolder(images)],
        classifier: mode === 'CLASSIFY' ? readFileSync(classifierPath, 'utf8') : undefined,
        split: isSet(args, 'use_split_dataset')
          ? {
              minNrofImagesPerClass: numberOf(args, 'min_nrof_images_per_class'),
              nrofTrainImagesPerClass: numberOf(args, 'nrof_train_images_per_class'),
            }
          : undefined,
        seed: numberOf(args, 'seed'),
        batch_size: numberOf(args, 'batch_size'),
        image_size: typeof imageSize === 'number' ? imageSize : undefined,
        backend: chosenBackend(args),
      },
      interruptibleControl(context),
      ({ done, total, imagesPerSecond: rate }) =>
        output.progress(
          formatProgress('Embedded', 'images', { done, total, rate, secondsLeft: (total - done) / rate }),
          done === total,
        ),
    );
    for (const line of describeSkipped(summary.skipped)) output.line(line);
    for (const failure of summary.failures) output.line(`Skipped: ${failure}`);
    output.line(`Number of classes: ${summary.classCount}`);
    output.line(`Number of images: ${summary.imageCount}`);
    if (summary.classifier !== undefined) {
      write(classifierPath, summary.classifier);
      output.line(`Saved classifier model to file "${basename(classifierPath)}"`);
      return {
        json: {
          mode,
          classes: summary.classCount,
          images: summary.imageCount,
          classifier: classifierPath,
          failures: summary.failures,
          skipped: summary.skipped,
        },
      };
    }
    const { predictions = [], accuracy = NaN, mistakes = [] } = summary;
    predictions.forEach(({ predicted, probability }, index) =>
      output.line(
        `${String(index).padStart(4)}  ${predicted.replaceAll('_', ' ')}: ${probability.toFixed(3)}`,
      ),
    );
    output.line(`Accuracy: ${accuracy.toFixed(3)}`);
    if (matrixPath) {
      write(matrixPath, confusionTable(predictions));
      output.line(`Saved confusion matrix to file "${basename(matrixPath)}"`);
    }
    return {
      json: {
        mode,
        classes: summary.classCount,
        images: summary.imageCount,
        accuracy,
        mistakes,
        predictions,
        failures: summary.failures,
        skipped: summary.skipped,
      },
    };
  },
};

/** Comma-separated values: one row per actual person, one column per predicted person. */
export function confusionTable(predictions: readonly ClassPrediction[]): string {
  const counts = new Map<string, number>();
  const keyOf = (actual: string, predicted: string): string => JSON.stringify([actual, predicted]);
  for (const { actual, predicted } of predictions) {
    const key = keyOf(actual, predicted);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort(compareNames);
  const columns = sorted(predictions.map(({ predicted }) => predicted));
  const rows = sorted(predictions.map(({ actual }) => actual)).map((actual) => [
    csvCell(actual),
    ...columns.map((predicted) => counts.get(keyOf(actual, predicted)) ?? 0),
  ]);
  return [['', ...columns.map(csvCell)], ...rows].map((cells) => `${cells.join(',')}\r\n`).join('');
}

/** @throws CommandError */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`${path} cannot be written (${code ?? String(error)}). Choose another file.`, {
      cause: error,
    });
  }
}

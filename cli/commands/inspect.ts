/** inspect: lists what a model finds suspicious in a dataset, and writes the table that filters it. */
import { BATCH_SIZE, USE_LIMITS } from '../../workers/protocol/align/limits.ts';
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { InspectReport } from '../../workers/protocol/use/inspect.ts';
import { describeSkipped } from '../../workers/protocol/data/skipped_files.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  type Command,
  interruptibleControl,
  numberOf,
  textOf,
} from '../arguments/command.ts';
import { numberFlag } from '../arguments/flags.ts';
import { CommandError } from '../system/errors.ts';
import { formatProgress } from '../arguments/format.ts';
import { MODEL_FLAGS, openShownModel } from '../arguments/model_flags.ts';
import { requireModel } from '../arguments/model_path.ts';
import { prepareOutputFolder } from '../arguments/output_folder.ts';
import { requireFolder, resolvePath } from '../system/paths.ts';

export const inspectCommand: Command = {
  name: 'inspect',
  formerNames: ['look'],
  summary: 'Find photos that may be mislabelled, people under two names, and duplicate pictures.',
  details:
    'Distances between embeddings are Euclidean, from 0 (identical) to 2 (maximum). The filter table lists each photo’s distance to its person’s average, for train --filter_filename.',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or an export (the newest model in it is used).',
    },
    { name: 'data_dir', description: 'The folder of aligned faces, with one subfolder per person.' },
  ],
  flags: [
    {
      name: 'filter_filename',
      aliases: ['data_file_name'],
      type: 'text',
      placeholder: 'file',
      description: 'Write the filter table to this file.',
    },
    numberFlag(
      'most',
      { minimum: 0, maximum: 1_000_000, isInteger: true },
      {
        default: 20,
        description: 'Number of results of each kind to print, most suspicious first. --json prints all.',
      },
    ),
    numberFlag('batch_size', BATCH_SIZE, {
      aliases: ['image_batch'],
      default: 90,
      description: 'Number of images per batch.',
    }),
    numberFlag('image_size', USE_LIMITS.image_size, {
      description: 'Size of the square cut from each image’s centre, in pixels. Default: the model’s own.',
    }),
    ...MODEL_FLAGS,
    BACKEND_FLAG,
  ],
  example: 'inspect ~/models/facenet/20260101-120000 ~/datasets/my_182 --filter_filename distances.tsv',
  async run(context) {
    const { args, output } = context;
    const { image_size: imageSize } = args.values;
    const model = requireModel(args.positionals[0]!);
    const images = requireFolder(resolvePath(args.positionals[1]!));
    const tableName = textOf(args, 'filter_filename');
    const tablePath = tableName === undefined ? undefined : resolvePath(tableName);
    if (tablePath !== undefined) prepareOutputFolder(dirname(tablePath));
    const session = await context.openSession();
    const reference = await openShownModel(session, model, args, output);
    const report = await session.inspect.report(
      {
        model: reference,
        data: [session.openFolder(images)],
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
    for (const line of formatReport(report, numberOf(args, 'most'))) output.line(line);
    if (tablePath !== undefined) {
      write(tablePath, report.table);
      output.line(`Wrote the distances of ${report.imageCount} images to ${tablePath}`);
    }
    return {
      json: {
        classes: report.classCount,
        images: report.imageCount,
        failures: report.failures,
        skipped: report.skipped,
        filter_filename: tablePath,
        suspects: report.findings?.suspects,
        near_identities: report.findings?.identities,
        near_copies: report.findings?.copies,
      },
    };
  },
};

/** @param most lines of each kind */
export function formatReport(
  { classCount, imageCount, failures, skipped, findings }: InspectReport,
  most: number,
): string[] {
  const lines = [
    ...describeSkipped(skipped),
    ...failures.map((failure) => `Skipped: ${failure}`),
    `Number of classes: ${classCount}`,
    `Number of images: ${imageCount}`,
  ];
  if (!findings)
    return [
      ...lines,
      'There are too many images to compare all of them. The filter table contains their distances.',
    ];
  const list = <Item>(title: string, items: readonly Item[], line: (item: Item) => string): string[] => [
    `${title}: ${items.length}`,
    ...items.slice(0, most).map((item) => `  ${line(item)}`),
    ...(items.length > most ? [`  … and ${items.length - most} more`] : []),
  ];
  const pair = ({ first, second, distance }: { first: string; second: string; distance: number }): string =>
    `${distance.toFixed(3)}  ${first}  ${second}`;
  return [
    ...lines,
    ...list(
      'Images that may be mislabelled',
      findings.suspects,
      ({ path, distance, looksLike, otherDistance }) =>
        looksLike === undefined || otherDistance === undefined
          ? `${distance.toFixed(3)}  ${path}`
          : `${distance.toFixed(3)}  ${path}  looks like ${looksLike} (${otherDistance.toFixed(3)})`,
    ),
    ...list('People who may be the same person', findings.identities, pair),
    ...list('Images that are nearly identical', findings.copies, pair),
  ];
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

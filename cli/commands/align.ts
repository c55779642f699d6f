/** align: the original's align_dataset_mtcnn. */
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignOptions,
  type AlignSummary,
} from '../../workers/protocol/align/align.ts';
import { FACE_ALIGNMENTS, LANDMARK_TEMPLATES } from '../../workers/protocol/align/alignment.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { describeSkipped } from '../../workers/protocol/data/skipped_files.ts';
import { ALIGN_LIMITS, FACE_THRESHOLD } from '../../workers/protocol/align/limits.ts';
import { describeLimits, isAllowed } from '../../workers/protocol/number_limits.ts';
import type { BrowserSession } from '../browser/browser_session.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  GPU_MEMORY_FLAG,
  interruptibleControl,
  isSet,
  numberOf,
  textOf,
  type Command,
  type CommandContext,
} from '../arguments/command.ts';
import { UsageError } from '../system/errors.ts';
import { numberFlag, type Arguments, type FlagSpec } from '../arguments/flags.ts';
import { formatDuration, formatProgress, formatReading } from '../arguments/format.ts';
import type { Output } from '../arguments/output.ts';
import { prepareOutputFolder, requireApart } from '../arguments/output_folder.ts';
import { requireFolder, resolvePath } from '../system/paths.ts';

/** Of the detector, for align and detect. */
export const DETECTOR_FLAGS: readonly FlagSpec[] = [
  numberFlag('minsize', ALIGN_LIMITS.minsize, {
    default: DEFAULT_ALIGN_OPTIONS.minsize,
    description: 'Smallest face to look for, in pixels.',
  }),
  {
    name: 'thresholds',
    type: 'text',
    placeholder: 'three numbers',
    default: DEFAULT_ALIGN_OPTIONS.thresholds.join(','),
    description: 'Scores that a face must reach in the three detection networks, separated by commas.',
  },
  numberFlag('factor', ALIGN_LIMITS.factor, {
    default: DEFAULT_ALIGN_OPTIONS.factor,
    description: 'Scale factor between the sizes at which a photo is searched.',
  }),
  BACKEND_FLAG,
];

/** @throws UsageError */
export function readDetectorOptions(
  args: Arguments,
): Pick<AlignOptions, 'minsize' | 'thresholds' | 'factor'> {
  const text = textOf(args, 'thresholds') ?? '';
  const [first, second, third, ...rest] = text
    .split(/[\s,]+/)
    .map((part) => (part === '' ? NaN : Number(part)));
  const isThreshold = (value: number | undefined): value is number => isAllowed(FACE_THRESHOLD, value);
  if (!isThreshold(first) || !isThreshold(second) || !isThreshold(third) || rest.length > 0)
    throw new UsageError(
      `--thresholds takes three numbers, each ${describeLimits(FACE_THRESHOLD)}, as "0.6,0.7,0.7", not "${text}".`,
    );
  return {
    minsize: numberOf(args, 'minsize'),
    thresholds: [first, second, third],
    factor: numberOf(args, 'factor'),
  };
}

/** Landmarks are aligned for the size of their template, if no other is given. @throws UsageError */
function readCutOptions(args: Arguments): Pick<AlignOptions, 'image_size' | 'margin' | 'alignment'> {
  const alignment = FACE_ALIGNMENTS.find((one) => one === textOf(args, 'alignment')) ?? 'box';
  const [image_size, margin] = [numberOf(args, 'image_size'), numberOf(args, 'margin')];
  if (alignment === 'box') return { image_size, margin };
  if (args.given.has('margin'))
    throw new UsageError(
      `--margin has no meaning with --alignment ${alignment}, where the landmarks decide what is cut out. Leave it out.`,
    );
  const size = args.given.has('image_size') ? image_size : LANDMARK_TEMPLATES[alignment].size;
  return { image_size: size, margin: 0, alignment };
}

export const alignCommand: Command = {
  name: 'align',
  summary: 'Find the faces in folders of photos and save them as aligned crops.',
  details:
    'The input contains one folder per person, with that person’s photos inside. The output gets the same folders, with PNG files. Existing crops are kept, so you can resume a stopped run by running the command again. Several processes with --random_order can share the work.',
  positionals: [
    { name: 'in', description: 'The folder of photos, with one subfolder per person.' },
    { name: 'out', description: 'The folder for the aligned faces.' },
  ],
  flags: [
    numberFlag('image_size', ALIGN_LIMITS.image_size, {
      default: DEFAULT_ALIGN_OPTIONS.image_size,
      description: 'Width and height of the crops, in pixels.',
    }),
    numberFlag('margin', ALIGN_LIMITS.margin, {
      default: DEFAULT_ALIGN_OPTIONS.margin,
      description: 'Margin around the face, in pixels of the photo, both sides together.',
    }),
    {
      name: 'alignment',
      type: 'choice',
      choices: FACE_ALIGNMENTS,
      default: 'box',
      description:
        'How faces are cut out. box: the box around the face, as the original does. dlib, arcface: the five landmarks are moved onto a template (dlib’s network and the starter model, 150 pixels; ArcFace models, 112 pixels), without a margin.',
    },
    {
      name: 'detect_multiple_faces',
      type: 'flag',
      description: 'Keep all faces in a photo, not just the largest one near the centre.',
    },
    {
      name: 'random_order',
      type: 'flag',
      description: 'Process the photos in random order, so that several processes can share the work.',
    },
    GPU_MEMORY_FLAG,
    ...DETECTOR_FLAGS,
  ],
  example: 'align ~/datasets/lfw/raw ~/datasets/lfw/lfw_mtcnnpy_182 --image_size 182 --margin 44',
  async run(context) {
    const { args, output } = context;
    const [input, out] = args.positionals.map(resolvePath) as [string, string];
    requireFolder(input);
    const options: AlignOptions = {
      ...readDetectorOptions(args),
      ...readCutOptions(args),
      detect_multiple_faces: isSet(args, 'detect_multiple_faces'),
      random_order: isSet(args, 'random_order'),
    };
    requireApart(input, out);
    prepareOutputFolder(out);
    const session = await context.openSession();
    const summary = await runAlign(
      context,
      session,
      session.openFolder(input),
      session.openFolder(out, { writable: true }),
      options,
    );
    for (const line of existingLines(summary)) output.line(line);
    for (const line of describeSkipped(summary.skipped)) output.line(line);
    for (const paths of summary.duplicates)
      output.line(`The same photo is in the folders of several people: ${paths.join(', ')}`);
    if (summary.setAside.length > 0)
      output.line(`${summary.setAside.length} photos are excluded by set_aside.json in the output.`);
    const { aligned, failed } = summary.elsewhere;
    if (aligned > 0) output.line(`${aligned} photos were aligned by other processes in the meantime.`);
    if (failed > 0) output.line(`No face was saved for ${failed} photos that other processes tried.`);
    output.line(`Total number of images: ${summary.totalImages}`);
    output.line(`Number of successfully aligned images: ${summary.successfullyAligned}`);
    return {
      // A photo without a face is no error, as in the original; a face that could not be kept is one.
      exitCode: summary.failures.some(({ reason }) => reason === 'not-written') ? 1 : 0,
      json: {
        total_images: summary.totalImages,
        successfully_aligned: summary.successfullyAligned,
        skipped_existing: summary.skippedExisting,
        skipped_without_record: summary.existing.withoutRecord,
        changed_photos: summary.existing.changedPhotos,
        other_settings: summary.existing.otherSettings,
        kept_by_hand: summary.existing.keptByHand,
        faces_without_photo: summary.existing.withoutPhoto,
        aligned_by_others: summary.elsewhere.aligned,
        failed_by_others: summary.elsewhere.failed,
        failures: summary.failures,
        skipped: summary.skipped,
        duplicates: summary.duplicates,
        set_aside: summary.setAside,
        cancelled: summary.cancelled,
        seconds: summary.durationMs / 1000,
      },
    };
  },
};

/** What was in the output before, in words. */
export function existingLines({ skippedExisting, existing }: AlignSummary): string[] {
  const { withoutRecord, changedPhotos, otherSettings, keptByHand, withoutPhoto } = existing;
  const lines: string[] = [];
  if (skippedExisting > 0)
    lines.push(
      `${skippedExisting} photos were already aligned and were skipped.${
        withoutRecord > 0
          ? ` For ${withoutRecord} of them the settings are not known; their faces were kept as they are.`
          : ''
      }`,
    );
  if (changedPhotos > 0)
    lines.push(`${changedPhotos} photos had changed since they were aligned and were aligned again.`);
  if (otherSettings > 0)
    lines.push(
      `${otherSettings} photos had been aligned with other settings and were aligned again.${
        keptByHand > 0 ? ` For ${keptByHand} of them the face that you chose was kept.` : ''
      }`,
    );
  for (const { photo, outputPaths } of withoutPhoto)
    lines.push(
      `${outputPaths.join(', ')}: the photo${photo === undefined ? '' : ` ${photo}`} is not in the input. The face stays until you delete it.`,
    );
  return lines;
}

export async function runAlign(
  context: CommandContext,
  session: BrowserSession,
  input: DirectoryReference,
  out: DirectoryReference,
  options: AlignOptions,
): Promise<AlignSummary> {
  const summary = await session.align.align(
    {
      input: [input],
      output: { kind: 'directory', directory: out },
      options,
      backend: chosenBackend(context.args),
    },
    interruptibleControl(context),
    (event) => show(event, context.output),
  );
  context.output.line(
    `${summary.cancelled ? 'Stopped' : 'Aligned'} after ${formatDuration(summary.durationMs / 1000)}.`,
  );
  return summary;
}

function show(event: AlignEvent, output: Output): void {
  if (event.kind === 'failed')
    output.line(`Unable to align "${event.failure.path}": ${event.failure.message}`);
  if (event.kind === 'reading') output.progress(formatReading(event));
  if (event.kind !== 'progress') return;
  const { done, total, photosPerSecond: rate, secondsLeft } = event;
  output.progress(formatProgress('Aligned', 'photos', { done, total, rate, secondsLeft }), done === total);
}

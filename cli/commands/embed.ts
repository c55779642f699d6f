/** embed: the original's export_embeddings. */
import { describeSkipped } from '../../workers/protocol/data/skipped_files.ts';
import { BATCH_SIZE, USE_LIMITS } from '../../workers/protocol/align/limits.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  GPU_MEMORY_FLAG,
  interruptibleControl,
  numberOf,
  type Command,
} from '../arguments/command.ts';
import { numberFlag } from '../arguments/flags.ts';
import { formatFiles, formatProgress } from '../arguments/format.ts';
import { MODEL_FLAGS, openShownModel } from '../arguments/model_flags.ts';
import { requireModel } from '../arguments/model_path.ts';
import { prepareOutputFolder, requireApart } from '../arguments/output_folder.ts';
import { requireFolder, resolvePath } from '../system/paths.ts';

export const embedCommand: Command = {
  name: 'embed',
  summary: 'Write the embeddings of a folder of aligned faces as NumPy files.',
  details:
    'embeddings.npy has one row per image (float32). labels.npy holds the index of each image’s folder in the sorted list of folders, label_strings.npy the folder’s name.',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or an export (the newest model in it is used).',
    },
    { name: 'data_dir', description: 'The folder of aligned faces, with one subfolder per person.' },
    { name: 'out', description: 'The output folder for the three files.' },
  ],
  flags: [
    numberFlag('batch_size', BATCH_SIZE, {
      aliases: ['image_batch'],
      default: 90,
      description: 'Number of images per batch.',
    }),
    numberFlag('image_size', USE_LIMITS.image_size, {
      description: 'Size of the square cut from each image’s centre, in pixels. Default: the model’s own.',
    }),
    GPU_MEMORY_FLAG,
    ...MODEL_FLAGS,
    BACKEND_FLAG,
  ],
  example: 'embed ~/models/facenet/20260101-120000 ~/datasets/lfw/lfw_160 ~/embeddings',
  async run(context) {
    const { args, output } = context;
    const { image_size: imageSize } = args.values;
    const model = requireModel(args.positionals[0]!);
    const images = requireFolder(resolvePath(args.positionals[1]!));
    requireApart(images, resolvePath(args.positionals[2]!));
    const out = prepareOutputFolder(resolvePath(args.positionals[2]!));
    const session = await context.openSession();
    const reference = await openShownModel(session, model, args, output);
    const summary = await session.train.embedFolder(
      {
        model: reference,
        images: [session.openFolder(images)],
        output: { kind: 'directory', directory: session.openFolder(out, { writable: true }) },
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
    output.line(`Number of classes: ${summary.classNames.length}`);
    output.line(`Number of images: ${summary.imageCount}`);
    output.line(formatFiles(out, summary.files));
    return {
      json: {
        out,
        classes: summary.classNames.length,
        images: summary.imageCount,
        embedding_size: summary.embeddingSize,
        failures: summary.failures,
        skipped: summary.skipped,
        files: summary.files,
      },
    };
  },
};

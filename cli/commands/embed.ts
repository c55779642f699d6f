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
  summary: 'Write the embeddings of a folder of aligned faces for NumPy.',
  details:
    'embeddings.npy has a row an image (float32), labels.npy the place of its folder among the sorted folders, label_strings.npy the folder’s name.',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or of an export: the newest model in it.',
    },
    { name: 'data_dir', description: 'The folder of aligned faces: a subfolder per person.' },
    { name: 'out', description: 'The folder for the three files.' },
  ],
  flags: [
    numberFlag('batch_size', BATCH_SIZE, {
      aliases: ['image_batch'],
      default: 90,
      description: 'Number of images in a batch.',
    }),
    numberFlag('image_size', USE_LIMITS.image_size, {
      description: 'Of the centre of each image, pixels. Default: what the model was trained with.',
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
    for (const failure of summary.failures) output.line(`Left out: ${failure}`);
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

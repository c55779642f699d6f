/** compare: the original's compare. */
import { ALIGN_LIMITS, USE_LIMITS } from '../../workers/protocol/align/limits.ts';
import type { CompareRequest } from '../../workers/protocol/use/compare.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  GPU_MEMORY_FLAG,
  interruptibleControl,
  isSet,
  numberOf,
  type Command,
} from '../arguments/command.ts';
import { numberFlag } from '../arguments/flags.ts';
import { MODEL_FLAGS, openShownModel } from '../arguments/model_flags.ts';
import { requireModel } from '../arguments/model_path.ts';
import { requireFile, resolvePath } from '../system/paths.ts';

export const compareCommand: Command = {
  name: 'compare',
  summary: 'Print the distances between the faces in several photos.',
  details:
    'Faces are found and aligned automatically. If a photo contains several faces, the main one is used. Distances are Euclidean, from 0 (identical) to 2 (maximum).',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or an export (the newest model in it is used).',
    },
    { name: 'image_files', description: 'Two or more photos.', repeated: true },
  ],
  flags: [
    numberFlag('margin', ALIGN_LIMITS.margin, {
      default: 44,
      description: 'Margin around the face, in pixels of the photo, both sides together.',
    }),
    numberFlag('image_size', USE_LIMITS.image_size, {
      description: 'Size of the aligned faces, in pixels. Default: the model’s own.',
    }),
    {
      name: 'all_faces',
      type: 'flag',
      description: 'Compare all faces in a photo, not just the main one.',
    },
    GPU_MEMORY_FLAG,
    ...MODEL_FLAGS,
    BACKEND_FLAG,
  ],
  example: 'compare ~/models/facenet/20260101-120000 ann.jpg bob.jpg someone.jpg',
  async run(context) {
    const { args, output } = context;
    const [modelPath, ...files] = args.positionals;
    const { image_size: imageSize } = args.values;
    const model = requireModel(modelPath!);
    const photos = files.map((file) => ({ given: file, ...requireFile(resolvePath(file)) }));
    const session = await context.openSession();
    const reference = await openShownModel(session, model, args, output);
    const request: CompareRequest = {
      model: reference,
      images: photos.map(({ folder, name }) => ({
        directory: session.openFolder(folder, { only: [name] }),
        path: name,
      })),
      margin: numberOf(args, 'margin'),
      image_size: typeof imageSize === 'number' ? imageSize : undefined,
      allFaces: isSet(args, 'all_faces'),
      backend: chosenBackend(args),
    };
    const result = await session.train.compare(request, interruptibleControl(context));
    for (const { message } of result.failures) output.line(`Skipped: ${message}`);
    const paths = result.images.map(({ index }) => photos[index]!.given);
    const titles = result.images.map(({ face, faceCount }, row) =>
      isSet(args, 'all_faces') && faceCount > 1
        ? `${paths[row]!} (face ${face} of ${faceCount})`
        : paths[row]!,
    );
    for (const line of formatDistances(titles, result.distances)) output.line(line);
    return {
      json: {
        images: paths,
        faces: result.images.map(({ face }) => face),
        distances: result.distances,
        failures: result.failures,
      },
    };
  },
};

/** As the original prints them. */
export function formatDistances(
  paths: readonly string[],
  distances: readonly (readonly number[])[],
): string[] {
  return [
    'Images:',
    ...paths.map((path, index) => `${index}: ${path}`),
    '',
    'Distance matrix',
    `    ${paths.map((_, index) => `    ${index}     `).join('')}`,
    ...distances.map(
      (row, index) => `${index}  ${row.map((distance) => `  ${distance.toFixed(4)}  `).join('')}`,
    ),
  ];
}

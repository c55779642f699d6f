/** export: a model in a format that other programs read. */
import type { ExportFormat, ExportProgress, ExportRequest } from '../../workers/protocol/models/export.ts';
import { USE_LIMITS } from '../../workers/protocol/align/limits.ts';
import { type Command, interruptibleControl, isSet, textOf } from '../arguments/command.ts';
import { numberFlag } from '../arguments/flags.ts';
import { formatBytes, formatFiles } from '../arguments/format.ts';
import { MODEL_FLAGS, openShownModel } from '../arguments/model_flags.ts';
import { requireModel } from '../arguments/model_path.ts';
import { prepareOutputFolder } from '../arguments/output_folder.ts';
import { resolvePath } from '../system/paths.ts';

const FORMATS: readonly ExportFormat[] = ['tfjs', 'onnx', 'safetensors', 'safetensors-pytorch'];

const DTYPES = ['float32', 'float16'] as const;
const LAYOUTS = ['nhwc', 'nchw'] as const;
const PHASES: Readonly<Record<ExportProgress['phase'], string>> = {
  loading: 'Loading the model',
  writing: 'Writing',
  verifying: 'Reading it again and comparing embeddings',
  packing: 'Packing',
};

export const exportCommand: Command = {
  name: 'export',
  summary: 'Write a model for other programs: TensorFlow.js, ONNX or safetensors.',
  details: 'What is written is read again and must give the embeddings of the model.',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or of an export: the newest model in it.',
    },
    { name: 'out', description: 'The folder for the files.' },
  ],
  flags: [
    {
      name: 'format',
      type: 'choice',
      choices: FORMATS,
      default: 'tfjs',
      description:
        'tfjs: model.json and shards; onnx: one file, both with batch norms folded; safetensors: the original’s variables; safetensors-pytorch: facenet-pytorch’s names.',
    },
    {
      name: 'dtype',
      type: 'choice',
      choices: DTYPES,
      default: 'float32',
      description: 'How weights are stored; float16 halves the files.',
    },
    {
      name: 'layout',
      type: 'choice',
      choices: LAYOUTS,
      default: 'nhwc',
      description: 'Of onnx: the input is [N, size, size, 3], or [N, 3, size, size] with nchw.',
    },
    {
      name: 'include_standardization',
      type: 'flag',
      description: 'Of onnx: the model standardises by itself; its input are values from 0 to 255.',
    },
    {
      name: 'include_class_names',
      type: 'flag',
      description:
        'The names of the people that the model was trained on go into the files; by default they do not.',
    },
    {
      name: 'license',
      type: 'text',
      placeholder: 'name',
      description: 'For the model card: under which licence the model may be used, such as CC-BY-4.0.',
    },
    numberFlag('image_size', USE_LIMITS.image_size, {
      description:
        'What the files say that the model takes, pixels. Default: what the model was trained with; a model from elsewhere that does not say it counts as one for 160.',
    }),
    ...MODEL_FLAGS,
  ],
  example: 'export ~/models/facenet/20260101-120000 ~/exported --format tfjs',
  async run(context) {
    const { args, output } = context;
    const { image_size: imageSize } = args.values;
    const model = requireModel(args.positionals[0]!);
    const out = prepareOutputFolder(resolvePath(args.positionals[1]!));
    const session = await context.openSession();
    const reference = await openShownModel(session, model, args, output);
    const request: ExportRequest = {
      model: reference,
      format: FORMATS.find((format) => format === args.values['format'])!,
      dtype: DTYPES.find((dtype) => dtype === args.values['dtype']),
      inputLayout: LAYOUTS.find((layout) => layout === args.values['layout']),
      includeStandardization: isSet(args, 'include_standardization'),
      includeClassNames: isSet(args, 'include_class_names'),
      imageSize: typeof imageSize === 'number' ? imageSize : undefined,
      license: textOf(args, 'license'),
      output: { kind: 'directory', directory: session.openFolder(out, { writable: true }) },
    };
    const control = interruptibleControl(context);
    const summary = await session.train.exportModel(request, control, ({ phase, done, total }) =>
      output.progress(
        total > 0 ? `${PHASES[phase]} ${formatBytes(done)} of ${formatBytes(total)}` : `${PHASES[phase]} …`,
        false,
      ),
    );
    output.clearProgress();
    output.line(formatFiles(out, summary.files));
    output.line(
      `Read again, it gives the same embeddings: largest difference ${summary.verifiedMaxAbsError.toExponential(1)}`,
    );
    return { json: { out, files: summary.files, verified_max_abs_error: summary.verifiedMaxAbsError } };
  },
};

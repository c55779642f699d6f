/** export: a model in a format that other programs read. */
import { describeVerification } from '../../workers/protocol/models/verification_text.ts';
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
  verifying: 'Comparing the embeddings of the files with those of the model',
  packing: 'Packing',
};

export const exportCommand: Command = {
  name: 'export',
  summary: 'Export a model for other programs: TensorFlow.js, ONNX or safetensors.',
  details:
    'The exported files must give the same embeddings as the model: TensorFlow.js or onnxruntime-web runs them, and safetensors files are read back.',
  positionals: [
    {
      name: 'model',
      description: 'A model file, or the folder of a run or an export (the newest model in it is used).',
    },
    { name: 'out', description: 'The output folder.' },
  ],
  flags: [
    {
      name: 'format',
      type: 'choice',
      choices: FORMATS,
      default: 'tfjs',
      description:
        'tfjs: model.json and weight files; onnx: one file (both with batch norm merged into the weights); safetensors: all variables under their original FaceNet names; safetensors-pytorch: with facenet-pytorch’s names.',
    },
    {
      name: 'dtype',
      type: 'choice',
      choices: DTYPES,
      default: 'float32',
      description: 'How the weights are stored. float16 halves the size of the files.',
    },
    {
      name: 'layout',
      type: 'choice',
      choices: LAYOUTS,
      default: 'nhwc',
      description:
        'For onnx: the input’s layout, [N, size, size, 3] for nhwc or [N, 3, size, size] for nchw.',
    },
    {
      name: 'include_standardization',
      type: 'flag',
      description:
        'For onnx: include image standardisation in the model. Its input is then pixel values from 0 to 255.',
    },
    {
      name: 'include_class_names',
      type: 'flag',
      description:
        'Include the names of the people that the model was trained on. By default they are left out.',
    },
    {
      name: 'license',
      type: 'text',
      placeholder: 'name',
      description: 'The model’s licence, for the model card, e.g. CC-BY-4.0.',
    },
    numberFlag('image_size', USE_LIMITS.image_size, {
      description:
        'Input size to state in the files, in pixels. Default: the model’s own, or 160 for an imported model that does not state it.',
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
      describeVerification(summary.verification, summary.verification.maxAbsError.toExponential(1)),
    );
    return {
      json: {
        out,
        files: summary.files,
        verified_by: summary.verification.by,
        verified_max_abs_error: summary.verification.maxAbsError,
      },
    };
  },
};

/** export: a model in a format that other programs read. */
import type { ExportFormat } from '../../workers/protocol.ts';
import { type Command } from '../command.ts';
import { formatFiles } from '../format.ts';
import { openModel, requireModel } from '../model_path.ts';
import { prepareOutputFolder } from '../output_folder.ts';
import { resolvePath } from '../paths.ts';

const FORMATS: readonly ExportFormat[] = ['tfjs', 'safetensors'];

export const exportCommand: Command = {
  name: 'export',
  summary: 'Write a model for other programs: TensorFlow.js or safetensors.',
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
      description: 'tfjs: model.json and shards, batch norms folded; safetensors: the original’s variables.',
    },
  ],
  example: 'export ~/models/facenet/20260101-120000 ~/exported --format tfjs',
  async run(context) {
    const { args, output } = context;
    const model = requireModel(args.positionals[0]!);
    const out = prepareOutputFolder(resolvePath(args.positionals[1]!));
    const session = await context.openSession();
    const summary = await session.train.exportModel({
      model: openModel(session, model),
      format: FORMATS.find((format) => format === args.values['format'])!,
      output: { kind: 'directory', directory: session.openFolder(out, { writable: true }) },
    });
    output.line(formatFiles(out, summary.files));
    output.line(
      `Read again, it gives the same embeddings: largest difference ${summary.verifiedMaxAbsError.toExponential(1)}`,
    );
    return { json: { out, files: summary.files, verified_max_abs_error: summary.verifiedMaxAbsError } };
  },
};

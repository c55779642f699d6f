/** demo: the whole job on sample faces, with nothing to download and nothing to choose. */
import { mkdirSync } from 'node:fs';
import { PAIRS_LIMITS, SAMPLE_LIMITS, SEED } from '../../workers/protocol/align/limits.ts';
import { join } from 'node:path';
import { DEFAULT_ALIGN_OPTIONS } from '../../workers/protocol/align/align.ts';
import type { DirectoryReference, SampleFacesOptions } from '../../workers/protocol/data/dataset.ts';
import type { DeviceInfo } from '../../workers/protocol/device.ts';
import type { EvaluateRequest, EvaluationResult } from '../../workers/protocol/evaluate/evaluate.ts';
import type { ExportRequest } from '../../workers/protocol/models/export.ts';
import type { TrainingOptions } from '../../workers/protocol/train/options.ts';
import { runNames } from '../../workers/protocol/train/run_names.ts';
import { presetOptions } from '../../workers/protocol/train/presets.ts';
import type { BrowserSession } from '../browser/browser_session.ts';
import {
  BACKEND_FLAG,
  chosenBackend,
  type Command,
  type CommandContext,
  interruptibleControl,
  numberOf,
} from '../arguments/command.ts';
import { CommandError } from '../system/errors.ts';
import { numberFlag, type Arguments } from '../arguments/flags.ts';
import { formatDuration, formatEvaluation, formatFiles } from '../arguments/format.ts';
import { prepareOutputFolder } from '../arguments/output_folder.ts';
import { resolvePath } from '../system/paths.ts';
import { givenOptions, optionFlags } from '../arguments/training_flags.ts';
import { runAlign } from './align.ts';
import { runTraining } from './train.ts';

/** Short runs, and what makes them shorter still. */
const TRAINING_FLAGS = [
  'max_nrof_epochs',
  'epoch_size',
  'batch_size',
  'image_size',
  'embedding_size',
  'executor',
];
/** The guide aligns to 182 pixels and trains on crops of 160. */
const CROP_MARGIN = 182 / 160;

export const demoCommand: Command = {
  name: 'demo',
  summary: 'Run all steps on generated sample faces: align, train, evaluate, export.',
  details:
    'The model is trained on some people and evaluated on others. Without a GPU this takes a few minutes and trains a smaller model.',
  positionals: [
    {
      name: 'out',
      optional: true,
      description: 'The output folder. Default: output/demo-<time> in the current folder.',
    },
  ],
  flags: [
    numberFlag('people', SAMPLE_LIMITS.people, {
      default: 12,
      description: 'Number of people to train on.',
    }),
    numberFlag('photos', SAMPLE_LIMITS.photos, {
      default: 6,
      description: 'Number of photos per person.',
    }),
    numberFlag('evaluation_people', SAMPLE_LIMITS.people, {
      default: 8,
      description: 'Number of other people to evaluate on.',
    }),
    numberFlag('lfw_nrof_folds', PAIRS_LIMITS.lfw_nrof_folds, {
      default: 5,
      description: 'Number of folds for the evaluation.',
    }),
    numberFlag(
      'seed',
      { ...SEED, maximum: 2 ** 32 - 2 },
      {
        default: 1,
        description: 'Seed of the faces.',
      },
    ),
    BACKEND_FLAG,
    ...optionFlags(({ name }) => TRAINING_FLAGS.includes(name)).map((flag) => ({
      ...flag,
      default: undefined,
    })),
  ],
  example: 'demo',
  async run(context) {
    const { args, output } = context;
    const [given] = args.positionals;
    const out =
      given === undefined
        ? makeNewFolder(prepareOutputFolder(resolvePath('output')))
        : prepareOutputFolder(resolvePath(given));
    const startedAt = performance.now();
    const session = await context.openSession();
    const options = trainingOptions(args, session.device);
    const demo = new Demo(context, session, out);

    output.line('1. Sample faces');
    const seed = numberOf(args, 'seed');
    const photosPerPerson = numberOf(args, 'photos');
    const faces = await demo.drawFaces({ seed, people: numberOf(args, 'people'), photosPerPerson });
    const otherFaces = await demo.drawFaces({
      seed: seed + 1,
      people: numberOf(args, 'evaluation_people'),
      photosPerPerson,
    });

    output.line('2. Align');
    const cropSize = Math.round(options.image_size * CROP_MARGIN);
    const aligned = await demo.align(faces, 'aligned', cropSize);
    const otherAligned = await demo.align(otherFaces, 'aligned-evaluation', cropSize);

    output.line('3. Train');
    const training = await demo.train(aligned, options);

    output.line('4. Evaluate on other people');
    const evaluation = await demo.evaluate(training.run.id, otherAligned, options);

    output.line('5. Export');
    const exported = await demo.export(training.run.id);

    const seconds = (performance.now() - startedAt) / 1000;
    output.line(`Done after ${formatDuration(seconds)}. Output folder: ${out}`);
    return {
      json: {
        out,
        run: training.run.id,
        steps: training.run.step,
        total_loss: training.lastStep?.totalLoss,
        training_accuracy: training.lastStep?.accuracy,
        accuracy: evaluation.accuracy,
        auc: evaluation.auc,
        verified_max_abs_error: exported.verification.maxAbsError,
        seconds,
      },
    };
  },
};

/** The steps, each of which writes its results to a subfolder of the output. */
class Demo {
  readonly #context: CommandContext;
  readonly #session: BrowserSession;
  readonly #out: string;

  constructor(context: CommandContext, session: BrowserSession, out: string) {
    this.#context = context;
    this.#session = session;
    this.#out = out;
  }

  drawFaces(options: SampleFacesOptions): Promise<DirectoryReference> {
    return this.#session.dataset.makeSampleFaces(options, (done, total) =>
      this.#context.output.progress(`Drawn ${done} of ${total} photos`, done === total),
    );
  }

  async align(faces: DirectoryReference, name: string, cropSize: number): Promise<DirectoryReference> {
    const out = this.#folder(name);
    const summary = await runAlign(this.#context, this.#session, faces, out, {
      ...DEFAULT_ALIGN_OPTIONS,
      image_size: cropSize,
    });
    this.#stopIfInterrupted();
    this.#context.output.line(
      `Number of successfully aligned images: ${summary.successfullyAligned} of ${summary.totalImages}`,
    );
    return out;
  }

  async train(aligned: DirectoryReference, options: TrainingOptions) {
    const { output } = this.#context;
    const summary = await runTraining(
      this.#context,
      this.#session,
      {
        options,
        data: [aligned],
        logsBase: this.#folder('logs'),
        modelsBase: this.#folder('models'),
      },
      (runId) => output.line(`Model directory: ${join(this.#out, 'models', runId)}`),
    );
    this.#stopIfInterrupted();
    return summary;
  }

  async evaluate(
    runId: string,
    aligned: DirectoryReference,
    options: TrainingOptions,
  ): Promise<EvaluationResult> {
    const { args, output } = this.#context;
    const request: EvaluateRequest = {
      model: { kind: 'run', runId },
      pairs: { images: [aligned], lfw_nrof_folds: numberOf(args, 'lfw_nrof_folds') },
      options: {
        lfw_batch_size: options.batch_size,
        lfw_distance_metric: options.lfw_distance_metric,
        lfw_use_flipped_images: options.lfw_use_flipped_images,
        lfw_subtract_mean: options.lfw_subtract_mean,
      },
      backend: chosenBackend(args),
    };
    const result = await this.#session.train.evaluate(request, interruptibleControl(this.#context));
    for (const line of formatEvaluation(result)) output.line(line);
    return result;
  }

  async export(runId: string) {
    const request: ExportRequest = {
      model: { kind: 'run', runId },
      format: 'tfjs',
      output: { kind: 'directory', directory: this.#folder('exported') },
    };
    const summary = await this.#session.train.exportModel(request, interruptibleControl(this.#context));
    this.#context.output.line(formatFiles(join(this.#out, 'exported'), summary.files));
    return summary;
  }

  #folder(name: string): DirectoryReference {
    return this.#session.openFolder(prepareOutputFolder(join(this.#out, name)), { writable: true });
  }

  #stopIfInterrupted(): void {
    if (this.#context.interrupted) throw new CommandError(`Stopped. The results so far are in ${this.#out}.`);
  }
}

function trainingOptions(args: Arguments, { isSoftware }: DeviceInfo): TrainingOptions {
  return givenOptions(args, presetOptions(isSoftware ? 'quick-try-software' : 'quick-try'));
}

/** demo-<time>, as runs are named; a later time where another demo began in the same second. @returns its path */
export function makeNewFolder(base: string, now = new Date()): string {
  for (const name of runNames(now)) {
    const path = join(base, `demo-${name}`);
    try {
      mkdirSync(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  throw new CommandError(`No unused folder name was found in ${base}.`);
}

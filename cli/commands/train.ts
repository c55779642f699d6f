/** train: the original's train_softmax. */
import { join } from 'node:path';
import type { TrainEvent, TrainRequest, TrainSummary } from '../../workers/protocol/train/train.ts';
import { defaultTrainingOptions, type TrainingOptions } from '../../workers/protocol/train/options.ts';
import type { BrowserSession } from '../browser/browser_session.ts';
import {
  GPU_MEMORY_FLAG,
  interruptibleControl,
  textOf,
  type Command,
  type CommandContext,
  type CommandResult,
} from '../arguments/command.ts';
import { UsageError } from '../system/errors.ts';
import type { Arguments } from '../arguments/flags.ts';
import { formatStep } from '../../workers/protocol/train/step_line.ts';
import { formatBytes, formatReading, formatValidation } from '../arguments/format.ts';
import { openModel, requireModel } from '../arguments/model_path.ts';
import { prepareOutputFolder } from '../arguments/output_folder.ts';
import { choosePairs, notePairs, PAIRS_FLAGS, pairsSource } from '../arguments/pairs.ts';
import { requireFile, requireFolder, resolvePath, splitPaths } from '../system/paths.ts';
import {
  claimRun,
  disown,
  forget,
  markFinished,
  newSlot,
  remember,
  type RunFolderPaths,
  type RunSlot,
} from '../arguments/run_store.ts';
import { readScheduleFile } from '../arguments/schedule_file.ts';
import { givenOptions, optionFlags } from '../arguments/training_flags.ts';

export const trainCommand: Command = {
  name: 'train',
  summary: 'Train a model on folders of aligned faces.',
  details:
    'The flags are those of train_softmax in the original (davidsandberg/facenet). Each run gets its own folder, named by its start time, in logs_base_dir and models_base_dir. Ctrl-C saves a checkpoint and stops; --resume continues the run.',
  positionals: [],
  flags: [
    {
      name: 'data_dir',
      type: 'text',
      placeholder: 'folders',
      description:
        'The folder of aligned faces, with one subfolder per person. Several folders, separated by colons, are merged.',
    },
    {
      name: 'logs_base_dir',
      type: 'text',
      placeholder: 'folder',
      default: '~/logs/facenet',
      description: 'Where to create the run’s log folder.',
    },
    {
      name: 'models_base_dir',
      type: 'text',
      placeholder: 'folder',
      default: '~/models/facenet',
      description: 'Where to create the run’s model folder.',
    },
    {
      name: 'resume',
      type: 'text',
      placeholder: 'run',
      description:
        'Resume the run with this name (the name of its folders) where it stopped, with its own settings.',
    },
    {
      name: 'pretrained_model',
      type: 'text',
      placeholder: 'model',
      description: 'Start from the weights of this model file, or of the newest model in this folder.',
    },
    {
      name: 'learning_rate_schedule_file',
      type: 'text',
      placeholder: 'file',
      description: 'Text file with one "epoch: rate" per line. Used if learning_rate is zero or less.',
    },
    {
      name: 'lfw_dir',
      type: 'text',
      placeholder: 'folder',
      description: 'Folder of aligned faces for an evaluation after each epoch.',
    },
    ...PAIRS_FLAGS,
    {
      name: 'filter_filename',
      type: 'text',
      placeholder: 'file',
      description:
        'Table with each image’s distance to its class centre, for filtering the dataset. Text or HDF5.',
    },
    ...optionFlags(),
    GPU_MEMORY_FLAG,
  ],
  example: 'train --data_dir ~/faces --optimizer ADAM --learning_rate 0.05 --max_nrof_epochs 20',
  async run(context) {
    const { args } = context;
    const runId = textOf(args, 'resume');
    return runId === undefined ? startRun(context) : resumeRun(context, runId);
  },
};

async function startRun(context: CommandContext): Promise<CommandResult> {
  const { args } = context;
  const options = readOptions(args);
  const dataDirs = splitPaths(textOf(args, 'data_dir') ?? '');
  if (dataDirs.length === 0)
    throw new UsageError(
      '--data_dir is missing. Name the folder of aligned faces, which has one subfolder per person.',
    );
  const lfwDir = textOf(args, 'lfw_dir');
  const pretrained = textOf(args, 'pretrained_model');
  const pretrainedPath = pretrained === undefined ? undefined : requireModel(pretrained);
  const paths: RunFolderPaths = {
    dataDirs,
    lfw: lfwDir === undefined ? undefined : { folder: resolvePath(lfwDir), pairs: choosePairs(args) },
    logsBase: resolvePath(textOf(args, 'logs_base_dir')!),
    modelsBase: resolvePath(textOf(args, 'models_base_dir')!),
  };
  checkPaths(paths);
  const filter = textOf(args, 'filter_filename');
  const filterPath = filter === undefined ? undefined : resolvePath(filter);
  if (filterPath !== undefined) requireFile(filterPath);
  return inSlot(context, { slot: newSlot() }, paths, (session) => ({
    ...requestFor(session, options, paths),
    pretrained: pretrainedPath === undefined ? undefined : openModel(session, pretrainedPath),
    filterTable: filterPath === undefined ? undefined : session.openFile(filterPath),
  }));
}

async function resumeRun(context: CommandContext, runId: string): Promise<CommandResult> {
  const { args } = context;
  const modelsBase = args.given.has('models_base_dir') ? textOf(args, 'models_base_dir') : undefined;
  const { slot, paths: stored } = claimRun(runId, modelsBase && resolvePath(modelsBase));
  // The dataset may have moved.
  const dataDir = textOf(args, 'data_dir');
  const paths = dataDir === undefined ? stored : { ...stored, dataDirs: splitPaths(dataDir) };
  try {
    checkPaths(paths);
  } catch (error) {
    disown(slot);
    throw error;
  }
  return inSlot(context, { slot, runId }, paths, (session) => ({
    ...requestFor(session, defaultTrainingOptions(), paths),
    resumeRunId: runId,
  }));
}

/** @throws UsageError, CommandError */
function readOptions(args: Arguments): TrainingOptions {
  const options = givenOptions(args, defaultTrainingOptions());
  const scheduleFile = textOf(args, 'learning_rate_schedule_file');
  const learning_rate_schedule = scheduleFile === undefined ? '' : readScheduleFile(scheduleFile);
  if (options.learning_rate <= 0 && scheduleFile === undefined)
    throw new UsageError(
      `With --learning_rate ${options.learning_rate} the learning rate comes from a file. Name the file with --learning_rate_schedule_file, e.g. data/learning_rate_schedule_classifier_casia.txt.`,
    );
  return { ...options, learning_rate_schedule };
}

function checkPaths({ dataDirs, lfw, logsBase, modelsBase }: RunFolderPaths): void {
  for (const folder of dataDirs) requireFolder(folder);
  if (lfw) requireFolder(lfw.folder);
  if (lfw?.pairs.path !== undefined) requireFile(lfw.pairs.path);
  prepareOutputFolder(logsBase);
  prepareOutputFolder(modelsBase);
}

function requestFor(session: BrowserSession, options: TrainingOptions, paths: RunFolderPaths): TrainRequest {
  const { dataDirs, lfw, logsBase, modelsBase } = paths;
  return {
    options,
    data: dataDirs.map((folder) => session.openFolder(folder)),
    lfw: lfw && pairsSource(lfw.pairs, session.openFolder(lfw.folder)),
    logsBase: session.openFolder(logsBase, { writable: true }),
    modelsBase: session.openFolder(modelsBase, { writable: true }),
  };
}

/** Runs in the browser profile of the slot, which is kept until the run has finished. */
async function inSlot(
  context: CommandContext,
  { slot, runId: resumedId }: { readonly slot: RunSlot; readonly runId?: string },
  paths: RunFolderPaths,
  request: (session: BrowserSession) => TrainRequest,
): Promise<CommandResult> {
  const { output } = context;
  const startedAt = performance.now();
  let runId = resumedId;
  let isFinished = false;
  let session: BrowserSession | undefined;
  try {
    session = await context.openSession(slot.profileFolder);
    if (paths.lfw) notePairs(paths.lfw.pairs, output);
    const summary = await runTraining(context, session, request(session), (id) => {
      runId = id;
      remember(slot, { runId: id, paths });
      output.line(`Log directory: ${join(paths.logsBase, id)}`);
      output.line(`Model directory: ${join(paths.modelsBase, id)}`);
    });
    isFinished = summary.run.status === 'finished';
    if (isFinished) markFinished(slot);
    return { json: resultOf(summary, paths, (performance.now() - startedAt) / 1000) };
  } finally {
    // The profile is deleted, or gone on with: the browser must have let it go.
    await session?.close();
    if (isFinished || runId === undefined) forget(slot);
    else {
      disown(slot);
      output.line(`To resume the run: npm run --silent facenet -- train --resume ${runId}`);
    }
  }
}

/** @param onStarted given the run's id */
export async function runTraining(
  context: CommandContext,
  session: BrowserSession,
  request: TrainRequest,
  onStarted: (runId: string) => void,
): Promise<TrainSummary> {
  const { output } = context;
  let stepsPerEpoch = request.options.epoch_size;
  const control = interruptibleControl(context);
  return session.train.train(request, control, (event) => {
    if (event.kind === 'started') {
      stepsPerEpoch = event.stepsPerEpoch;
      onStarted(event.run.id);
    }
    if (event.kind === 'reading') return output.progress(formatReading(event));
    for (const line of linesOf(event, stepsPerEpoch)) output.line(line);
  });
}

function linesOf(event: Exclude<TrainEvent, { kind: 'reading' }>, stepsPerEpoch: number): string[] {
  switch (event.kind) {
    case 'started':
      return [
        `Number of classes in training set: ${event.run.classNames.length}`,
        `Number of examples in training set: ${event.run.imageCount}`,
        `Number of trained parameters: ${event.parameterCount}`,
        `Running training with ${event.executor}` +
          (event.gpuBytes ? `, ${formatBytes(event.gpuBytes)} of GPU memory` : ''),
      ];
    case 'step':
      return [formatStep(event.record, stepsPerEpoch)];
    case 'validation':
      return [formatValidation(event.record)];
    case 'evaluation':
      return [
        `Accuracy: ${event.record.accuracy.toFixed(5)}`,
        `Validation rate: ${event.record.valRate.toFixed(5)} @ FAR=0.00100`,
      ];
    case 'checkpoint':
      return [
        `Checkpoint of step ${event.step} saved in ${(event.durationMs / 1000).toFixed(2)} seconds (${formatBytes(event.sizeBytes)})`,
      ];
    case 'best':
      return [
        `Best model so far: step ${event.best.step}, ${event.best.measuredBy === 'pairs' ? 'LFW accuracy' : 'validation accuracy'} ${event.best.accuracy.toFixed(5)}. Its checkpoint is kept.`,
      ];
    case 'status':
      // A failure's message is the command's own last one.
      return event.status === 'running' || event.status === 'failed' ? [] : [event.message];
    case 'warning':
      return [`Warning: ${event.message}`];
  }
}

function resultOf(
  { run, lastStep }: TrainSummary,
  { logsBase, modelsBase }: RunFolderPaths,
  seconds: number,
): Record<string, unknown> {
  return {
    run: run.id,
    status: run.status,
    step: run.step,
    epoch: run.epoch,
    total_loss: lastStep?.totalLoss,
    cross_entropy: lastStep?.crossEntropy,
    accuracy: lastStep?.accuracy,
    lfw_accuracy: run.lastEvaluation?.accuracy,
    lfw_val_rate: run.lastEvaluation?.valRate,
    log_dir: join(logsBase, run.id),
    model_dir: join(modelsBase, run.id),
    seconds,
  };
}

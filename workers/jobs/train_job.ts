/**
 * A training run from its request to its end: data, network, loop, and what is kept of it. Everything that the next
 * step depends on is in the checkpoint or follows from the settings, so that a run can go on where it was.
 */
import type { ImageFile } from '../dataset/classes.ts';
import { PermissionLostError } from '../dataset/errors.ts';
import { ImageCache } from '../dataset/image_cache.ts';
import { initializeParameters } from '../graph/initialize.ts';
import type { Graph } from '../graph/ir.ts';
import { buildModel } from '../graph/models/index.ts';
import { elementCount } from '../graph/tensor.ts';
import type {
  DeviceInfo,
  EvaluationSummary,
  PairsSource,
  RunRecord,
  RunStatus,
  StepRecord,
  TrainEvent,
  TrainRequest,
  TrainSummary,
  ValidationRecord,
} from '../protocol.ts';
import {
  StorageQuotaError,
  dropOldCheckpoints,
  loadNewestCheckpoint,
  saveCheckpoint,
  type Checkpoint,
} from '../storage/checkpoints.ts';
import {
  appendSteps,
  getRun,
  newRunId,
  putEvaluation,
  putRun,
  putValidation,
  readEvaluations,
  readSteps,
  readValidations,
  runLockName,
  truncateSteps,
} from '../storage/runs.ts';
import { BatchSource } from '../training/batch_source.ts';
import type { Executor, ExecutorSettings, LabelledBatch } from '../training/executor.ts';
import { epochOfStep, runTrainingLoop, type Interruption, type LoopHooks } from '../training/loop.ts';
import type { TrainingOptions } from '../training/options.ts';
import type { RunHistory } from '../training/run_history.ts';
import { requireValidOptions, validateOptions } from '../training/validate_options.ts';
import { chooseExecutor } from './executors.ts';
import { Throttle } from './job_control.ts';
import { startFromPretrained } from './pretrained.ts';
import { RunFolders } from './run_folders.ts';
import { evaluateRun, validateRun } from './run_evaluation.ts';
import { readImageFilter, readTrainingData, requireSameClasses, type TrainingData } from './training_data.ts';
import type { TrainControl } from './train_control.ts';

export class RunMissingError extends Error {
  override name = 'RunMissingError';
}

export class RunBusyError extends Error {
  override name = 'RunBusyError';
  constructor(runId: string) {
    super(`The run ${runId} is going on in another tab or window. Look at it there, or stop it there first.`);
  }
}

/** Between checkpoints within a long epoch. */
const CHECKPOINT_INTERVAL_MS = 5 * 60 * 1000;
/** Between writes of the step records. */
const METRICS_INTERVAL_MS = 2000;

export async function train(
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
): Promise<TrainSummary> {
  const prepared = request.resumeRunId
    ? await prepareResumed(request, request.resumeRunId)
    : await prepareNew(request);
  return withRunLock(prepared.run.id, () => trainPrepared(prepared, request, onEvent, control));
}

interface PreparedRun {
  readonly run: RunRecord;
  readonly data: TrainingData;
  readonly isResumed: boolean;
}

async function prepareNew(request: TrainRequest): Promise<PreparedRun> {
  const { options } = request;
  // Bad settings are refused before anything is read.
  requireValidOptions(options);
  const filter = await readImageFilter(request.filterTable, options);
  const data = await readTrainingData(request.data, options, filter);
  const run: RunRecord = {
    id: await newRunId(),
    createdAt: Date.now(),
    status: 'running',
    options,
    datasetName: data.name,
    classNames: data.classNames,
    imageCount: data.train.length,
    filteredImages: filter && [...filter.leftOut],
    data: request.data.filter(({ kind }) => kind === 'handle' || kind === 'private'),
    lfw: storablePairs(request.lfw),
    step: 0,
    epoch: 0,
    device: '',
  };
  return { run, data, isResumed: false };
}

/** Files of <input webkitdirectory> and folders of the terminal are gone with the page. */
function storablePairs(lfw: PairsSource | undefined): PairsSource | undefined {
  return lfw?.images.every(({ kind }) => kind === 'handle' || kind === 'private') ? lfw : undefined;
}

async function prepareResumed(request: TrainRequest, runId: string): Promise<PreparedRun> {
  const run = await getRun(runId);
  if (!run) throw new RunMissingError(`There is no run ${runId} in this browser. It may have been deleted.`);
  const references = request.data.length > 0 ? request.data : run.data;
  if (references.length === 0)
    throw new RunMissingError(
      `The folder "${run.datasetName}" that the run ${runId} trains on was chosen without a lasting permission. Choose it again to go on.`,
    );
  const data = await readTrainingData(
    references,
    run.options,
    run.filteredImages && { leftOut: new Set(run.filteredImages) },
  );
  requireSameClasses(run.classNames, data);
  return { run: { ...run, data: references, status: 'running', error: undefined }, data, isResumed: true };
}

/** Held for as long as the run goes on: one writer, and others see that it lives. */
async function withRunLock<Result>(runId: string, work: () => Promise<Result>): Promise<Result> {
  return navigator.locks.request(runLockName(runId), { ifAvailable: true }, async (lock) => {
    if (!lock) throw new RunBusyError(runId);
    return work();
  });
}

function executorSettings(options: TrainingOptions, graph: Graph): ExecutorSettings {
  return {
    graph,
    batchSize: options.batch_size,
    imageSize: options.image_size,
    useFixedImageStandardization: options.use_fixed_image_standardization,
    keepProbability: options.keep_probability,
    weightDecay: options.weight_decay,
    prelogitsNormLossFactor: options.prelogits_norm_loss_factor,
    prelogitsNormP: options.prelogits_norm_p,
    centerLossFactor: options.center_loss_factor,
    centerLossAlfa: options.center_loss_alfa,
    optimizer: options.optimizer,
    movingAverageDecay: options.moving_average_decay,
    seed: options.seed,
  };
}

async function trainPrepared(
  { run, data, isResumed }: PreparedRun,
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
): Promise<TrainSummary> {
  const { options } = run;
  const graph = buildModel(options.model_def, {
    embeddingSize: options.embedding_size,
    classes: data.classNames.length,
    batchNormDecay: options.batch_norm_decay,
  });
  const { device, create } = await chooseExecutor({
    executor: options.executor === 'auto' ? undefined : options.executor,
    backend: options.backend === 'auto' ? undefined : options.backend,
  });
  const executor = await create(executorSettings(options, graph));
  try {
    const job = new TrainJob(run, data, request, executor, graph, device, onEvent, control);
    await job.start(isResumed);
    return await job.run();
  } finally {
    control.end();
    executor.dispose();
  }
}

class TrainJob {
  #run: RunRecord;
  readonly #data: TrainingData;
  readonly #request: TrainRequest;
  readonly #executor: Executor;
  readonly #graph: Graph;
  readonly #device: DeviceInfo;
  readonly #onEvent: (event: TrainEvent) => void;
  readonly #control: TrainControl;
  readonly #batches: BatchSource;
  readonly #images = new ImageCache();
  #folders: RunFolders | undefined;
  readonly #pairs: PairsSource | undefined;
  readonly #metricsThrottle = new Throttle(METRICS_INTERVAL_MS);
  #unwritten: StepRecord[] = [];
  #writing: Promise<void> = Promise.resolve();
  #lastStep: StepRecord | undefined;
  #checkpointedStep = -1;
  #checkpointedAt = performance.now();

  constructor(
    run: RunRecord,
    data: TrainingData,
    request: TrainRequest,
    executor: Executor,
    graph: Graph,
    device: DeviceInfo,
    onEvent: (event: TrainEvent) => void,
    control: TrainControl,
  ) {
    this.#run = { ...run, device: executor.description };
    this.#data = data;
    this.#request = request;
    this.#executor = executor;
    this.#graph = graph;
    this.#device = device;
    this.#onEvent = onEvent;
    this.#control = control;
    this.#pairs = request.lfw ?? run.lfw;
    const { batch_size, image_size, seed, random_crop, random_flip, random_rotate } = run.options;
    this.#batches = new BatchSource(
      data.train,
      {
        batchSize: batch_size,
        imageSize: image_size,
        seed,
        augmentation: { random_crop, random_flip, random_rotate },
      },
      (file) => this.#read(file),
      (error) => onEvent({ kind: 'warning', message: `${error.message} Another photo takes its place.` }),
    );
  }

  readonly #read = (file: ImageFile) => this.#images.read(file);

  /** Parameters from the checkpoint, from a pretrained model, or fresh ones. */
  async start(isResumed: boolean): Promise<void> {
    const { id, options } = this.#run;
    const checkpoint = isResumed ? await loadNewestCheckpoint(id) : undefined;
    await this.#executor.writeParameters(initializeParameters(this.#graph, options.seed));
    if (checkpoint) {
      await this.#executor.writeParameters(checkpoint.parameters);
      await this.#executor.writeState(checkpoint.state);
      this.#checkpointedStep = checkpoint.step;
    } else if (this.#request.pretrained) {
      const message = await startFromPretrained(
        this.#executor,
        this.#graph,
        this.#data.classNames,
        this.#request.pretrained,
      );
      this.#onEvent({ kind: 'warning', message });
    }
    const step = checkpoint?.step ?? 0;
    if (isResumed) {
      await truncateSteps(id, step);
      this.#lastStep = (await readSteps(id)).at(-1);
      if (this.#data.train.length !== this.#run.imageCount)
        this.#onEvent({
          kind: 'warning',
          message: `The dataset has ${this.#data.train.length} training photos now, and had ${this.#run.imageCount}: the run goes on, but not exactly as it would have.`,
        });
    }
    if (!isResumed)
      for (const { option, message } of validateOptions(options, { imageCount: this.#data.train.length }))
        this.#onEvent({ kind: 'warning', message: `${option}: ${message}` });
    if (this.#data.filterNote) this.#onEvent({ kind: 'warning', message: this.#data.filterNote });
    await this.#update({ step, epoch: this.#lastStep?.epoch ?? 0, status: 'running' });
    this.#folders = await RunFolders.open(
      await this.#history(),
      this.#request.logsBase,
      this.#request.modelsBase,
    );
    this.#onEvent({
      kind: 'started',
      run: this.#run,
      device: this.#device,
      executor: this.#executor.description,
      parameterCount: this.#graph.parameters
        .filter(({ trainable }) => trainable)
        .reduce((sum, { shape }) => sum + elementCount(shape), 0),
      stepsPerEpoch: options.epoch_size,
    });
  }

  /** Of the steps that this run goes on after; what was measured later is measured again. */
  async #history(): Promise<RunHistory> {
    const { id, step } = this.#run;
    if (step === 0) return { run: this.#run, steps: [], validations: [], evaluations: [] };
    const until = <Entry extends { step: number }>(entries: readonly Entry[]): Entry[] =>
      entries.filter((entry) => entry.step <= step);
    return {
      run: this.#run,
      steps: until(await readSteps(id)),
      validations: until(await readValidations(id)),
      evaluations: until(await readEvaluations(id)),
    };
  }

  async run(): Promise<TrainSummary> {
    const { options } = this.#run;
    const hooks: LoopHooks = {
      nextBatch: (step) => this.#nextBatch(step),
      onStep: (record) => this.#onStep(record),
      onEpochEnd: (epoch, step) => this.#onEpochEnd(epoch, step),
      interruption: () => this.#interruption(),
      onInterruption: (interruption, step, epoch) => this.#onInterruption(interruption, step, epoch),
    };
    try {
      await this.#catchUpEvaluation();
      const end = await runTrainingLoop(this.#executor, options, this.#run.step, hooks);
      if (end === 'finished') await this.#checkpoint();
      await this.#flushMetrics();
      await this.#writeLogs();
      await this.#setStatus(
        end,
        end === 'finished'
          ? `Finished after ${this.#run.step} steps.`
          : `Stopped after ${this.#run.step} steps. The checkpoint is kept: the run can go on later.`,
      );
    } catch (error) {
      await this.#flushMetrics().catch(() => undefined);
      await this.#writeLogs();
      const message = error instanceof Error ? error.message : String(error);
      await this.#update({ status: 'failed', error: message }).catch(() => undefined);
      this.#onEvent({ kind: 'status', status: 'failed', message });
      throw error;
    }
    return { run: this.#run, lastStep: this.#lastStep };
  }

  /** A folder whose permission is gone pauses the run; going on reads the batch anew. */
  async #nextBatch(step: number): Promise<LabelledBatch> {
    for (;;)
      try {
        return await this.#batches.next(step);
      } catch (error) {
        if (!(error instanceof PermissionLostError)) throw error;
        await this.#setStatus('paused', error.message);
        await this.#control.pauseByItself();
        if (this.#control.wanted === 'stop') throw error;
        await this.#setStatus('running', 'The run goes on.');
      }
  }

  #onStep(measured: StepRecord): void {
    const record = { ...measured, at: Date.now() };
    this.#lastStep = record;
    this.#unwritten.push(record);
    this.#folders?.addStep(record);
    this.#run = { ...this.#run, step: record.step, epoch: record.epoch };
    this.#onEvent({ kind: 'step', record });
    if (this.#metricsThrottle.ready())
      this.#flushMetrics().catch((error: unknown) =>
        this.#onEvent({
          kind: 'warning',
          message: `The measurements could not be stored: ${error instanceof Error ? error.message : String(error)}`,
        }),
      );
  }

  #interruption(): Interruption | undefined {
    if (this.#control.wanted) return this.#control.wanted;
    const isDue = performance.now() - this.#checkpointedAt > CHECKPOINT_INTERVAL_MS;
    return isDue && this.#run.step > this.#checkpointedStep ? 'checkpoint' : undefined;
  }

  async #onInterruption(interruption: Interruption, _step: number, _epoch: number): Promise<void> {
    await this.#checkpoint();
    await this.#writeLogs();
    if (interruption !== 'pause') return;
    await this.#setStatus('paused', `Paused after ${this.#run.step} steps; a checkpoint is written.`);
    await this.#control.waitWhilePaused();
    if (this.#control.wanted !== 'stop') await this.#setStatus('running', 'The run goes on.');
  }

  async #onEpochEnd(epoch: number, step: number): Promise<void> {
    await this.#checkpoint();
    if (this.#run.options.log_histograms) await this.#addHistograms(step);
    await this.#evaluate(epoch, step);
    await this.#writeLogs();
  }

  /** Of the weights and of the last step's gradients, under the original's names. */
  async #addHistograms(step: number): Promise<void> {
    if (!this.#folders) return;
    const gradients = await this.#executor.readGradients();
    this.#folders.addHistograms(step, await this.#executor.readParameters());
    this.#folders.addHistograms(
      step,
      new Map([...gradients].map(([name, tensor]) => [`${name}/gradients`, tensor])),
    );
  }

  /** A log that cannot be written is no reason to lose a run: everything in it is stored as well. */
  async #writeLogs(): Promise<void> {
    try {
      await this.#folders?.writeLogs();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#onEvent({ kind: 'warning', message: `The log folder could not be written: ${message}` });
    }
  }

  /** A run that was interrupted between an epoch's checkpoint and its evaluation does the evaluation first. */
  async #catchUpEvaluation(): Promise<void> {
    const { step, options, id } = this.#run;
    if (step === 0 || step % options.epoch_size !== 0 || !this.#pairs) return;
    if ((await readEvaluations(id)).some((evaluation) => evaluation.step === step)) return;
    await this.#evaluate(epochOfStep(step - 1, options.epoch_size), step);
  }

  async #evaluate(epoch: number, step: number): Promise<void> {
    const { options, id } = this.#run;
    const isLast = epoch === options.max_nrof_epochs;
    if (this.#data.validation.length > 0 && (isLast || epoch % options.validate_every_n_epochs === 0)) {
      const startedAt = performance.now();
      const record: ValidationRecord = {
        ...(await validateRun(this.#executor, options, this.#data.validation, this.#read)),
        step,
        epoch,
        durationMs: performance.now() - startedAt,
        at: Date.now(),
      };
      await putValidation(id, record);
      this.#folders?.addValidation(record);
      this.#onEvent({ kind: 'validation', record });
    }
    if (!this.#pairs) return;
    const { accuracy, val, durationMs } = await evaluateRun(this.#executor, options, this.#pairs);
    const record: EvaluationSummary = { step, epoch, accuracy, valRate: val, durationMs, at: Date.now() };
    await putEvaluation(id, record);
    await this.#update({ lastEvaluation: record });
    this.#folders?.addEvaluation(record);
    this.#onEvent({ kind: 'evaluation', record });
  }

  async #checkpoint(): Promise<void> {
    const { id, step, epoch } = this.#run;
    this.#checkpointedAt = performance.now();
    if (step === this.#checkpointedStep) return;
    const startedAt = performance.now();
    await this.#flushMetrics();
    const parameters = await this.#executor.readParameters();
    const sizeBytes = await this.#store({
      runId: id,
      step,
      epoch,
      parameters,
      state: await this.#executor.readState(),
    });
    await this.#folders?.writeModel(this.#run, parameters);
    this.#checkpointedAt = performance.now();
    if (sizeBytes === undefined) return;
    this.#checkpointedStep = step;
    await this.#update({});
    this.#onEvent({ kind: 'checkpoint', step, sizeBytes, durationMs: performance.now() - startedAt });
  }

  /** A full disk costs old checkpoints first, then this one, and never the run. */
  async #store(checkpoint: Checkpoint): Promise<number | undefined> {
    for (;;)
      try {
        return await saveCheckpoint(checkpoint);
      } catch (error) {
        if (!(error instanceof StorageQuotaError)) throw error;
        if (await dropOldCheckpoints(checkpoint.runId)) continue;
        this.#onEvent({ kind: 'warning', message: error.message });
        return undefined;
      }
  }

  #flushMetrics(): Promise<void> {
    const records = this.#unwritten;
    this.#unwritten = [];
    this.#writing = this.#writing.catch(() => undefined).then(() => appendSteps(this.#run.id, records));
    return this.#writing;
  }

  async #setStatus(status: RunStatus, message: string): Promise<void> {
    await this.#update({ status });
    this.#onEvent({ kind: 'status', status, message });
  }

  async #update(changes: Partial<RunRecord>): Promise<void> {
    this.#run = { ...this.#run, ...changes };
    await putRun(this.#run);
  }
}

/**
 * A training run from its request to its end: data, network, loop, and what is kept of it. Everything that the next
 * step depends on is in the checkpoint or follows from the settings, so that a run can go on where it was.
 */
import type { ImageFile } from '../dataset/classes.ts';
import { PermissionLostError } from '../dataset/errors.ts';
import { ImageCache } from '../dataset/image_cache.ts';
import { BatchTooLargeError, type DeviceLostError } from '../engine/errors.ts';
import { initializeParameters } from '../graph/initialize.ts';
import type { Graph } from '../graph/ir.ts';
import { buildModel } from '../graph/models/index.ts';
import { elementCount, type NamedTensors } from '../graph/tensor.ts';
import type {
  BestModel,
  DeviceInfo,
  DirectoryReference,
  EvaluationResult,
  EvaluationSummary,
  ModelReference,
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
  CHECKPOINTS_KEPT,
  deleteUnfinishedCheckpoints,
  dropBadCheckpoint,
  type Checkpoint,
} from '../storage/checkpoints.ts';
import {
  getRun,
  newRunId,
  readEvaluations,
  readLastStep,
  readPrelogits,
  readSteps,
  readValidations,
  runLockName,
} from '../storage/runs.ts';
import { BatchSource } from '../training/batch_source.ts';
import type { Executor, ExecutorSettings, LabelledBatch } from '../training/executor.ts';
import {
  LossNotFiniteError,
  epochOfStep,
  runTrainingLoop,
  type Interruption,
  type LoopEnd,
  type LoopHooks,
} from '../training/loop.ts';
import { optimizerSlots } from '../training/optimizers.ts';
import type { TrainingOptions } from '../training/options.ts';
import { PRELOGITS_BINS } from '../training/prelogits_histogram.ts';
import type { RunHistory } from '../training/run_history.ts';
import { requireValidOptions, validateOptions } from '../training/validate_options.ts';
import { DeviceLosses, isDeviceLost } from './device_losses.ts';
import { openPairs } from './evaluate_job.ts';
import { chooseExecutor, type ChosenExecutor } from './executors.ts';
import { ImagePool } from './image_pool.ts';
import { Throttle } from './job_control.ts';
import { startFromPretrained } from './pretrained.ts';
import { RunFolders } from './run_folders.ts';
import { evaluateRun, validateRun } from './run_evaluation.ts';
import { RunKeeper } from './run_keeper.ts';
import {
  readImageFilter,
  readTrainingData,
  requireSameClasses,
  type ImageFilter,
  type TrainingData,
} from './training_data.ts';
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

export class StoppedBeforeRunError extends Error {
  override name = 'StoppedBeforeRunError';
  constructor() {
    super('Stopped while the dataset was being read. No run was begun, and nothing was changed.');
  }
}

/** In a checkpoint, beside the executor's state: the counts of the epoch so far. */
const PRELOGITS_HISTOGRAM = 'prelogits_histogram';
/** Between checkpoints within a long epoch. */
const CHECKPOINT_INTERVAL_MS = 5 * 60 * 1000;
/** Between writes of the step records. */
const METRICS_INTERVAL_MS = 2000;
/** Before each try to get a GPU again: a driver that is reset, or a browser's GPU process, takes some time. */
const DEVICE_RETRIES_MS = [0, 500, 1000, 2000, 4000, 8000];

/** @param choose where executors come from; default: what the machine has */
export async function train(
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
  choose = chooseExecutor,
): Promise<TrainSummary> {
  const { resumeRunId } = request;
  try {
    // A run that another tab trains is not even read.
    if (resumeRunId !== undefined)
      return await withRunLock(resumeRunId, async () =>
        trainPrepared(
          await prepareResumed(request, resumeRunId, onEvent, control),
          request,
          onEvent,
          control,
          choose,
        ),
      );
    const prepared = await prepareNew(request, onEvent, control);
    return await withRunLock(prepared.run.id, () =>
      trainPrepared(prepared, request, onEvent, control, choose),
    );
  } finally {
    control.end();
  }
}

interface PreparedRun {
  readonly run: RunRecord;
  readonly data: TrainingData;
  readonly isResumed: boolean;
}

async function prepareNew(
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
): Promise<PreparedRun> {
  const { options } = request;
  // Bad settings are refused before anything is read.
  requireValidOptions(options);
  const filter = await readImageFilter(request.filterTable, options);
  const data = await readData(request.data, options, filter, onEvent, control);
  // Pairs that cannot be made are told of now, and not after the first epoch.
  if (request.lfw) await openPairs(request.lfw);
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

async function prepareResumed(
  request: TrainRequest,
  runId: string,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
): Promise<PreparedRun> {
  const run = await getRun(runId);
  if (!run) throw new RunMissingError(`There is no run ${runId} in this browser. It may have been deleted.`);
  const references = request.data.length > 0 ? request.data : run.data;
  if (references.length === 0)
    throw new RunMissingError(
      `The folder "${run.datasetName}" that the run ${runId} trains on was chosen without a lasting permission. Choose it again to go on.`,
    );
  const filter = run.filteredImages && { leftOut: new Set(run.filteredImages) };
  const data = await readData(references, run.options, filter, onEvent, control);
  requireSameClasses(run.classNames, data);
  return { run: { ...run, data: references, status: 'running', error: undefined }, data, isResumed: true };
}

/** @throws StoppedBeforeRunError, and as readTrainingData does */
async function readData(
  references: readonly DirectoryReference[],
  options: TrainingOptions,
  filter: ImageFilter | undefined,
  onEvent: (event: TrainEvent) => void,
  { signal }: TrainControl,
): Promise<TrainingData> {
  try {
    return await readTrainingData(references, options, filter, {
      onProgress: (totals) => onEvent({ kind: 'reading', ...totals }),
      signal,
    });
  } catch (error) {
    throw signal.aborted ? new StoppedBeforeRunError() : error;
  }
}

/** Held for as long as the run goes on: one writer, and others see that it lives. A browser may lack Web Locks. */
async function withRunLock<Result>(runId: string, work: () => Promise<Result>): Promise<Result> {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return work();
  return locks.request(runLockName(runId), { ifAvailable: true }, async (lock) => {
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
    prelogitsHistMax: options.prelogits_hist_max,
    precision: options.precision,
    seed: options.seed,
  };
}

/** Of one checkpoint, bytes: the parameters, and what the optimizer and the averages keep of each. */
function checkpointBytes({ graph, optimizer, movingAverageDecay }: ExecutorSettings): number {
  const copies = 1 + optimizerSlots(optimizer).length + (movingAverageDecay > 0 ? 1 : 0);
  const floats = graph.parameters.reduce(
    (sum, { shape, trainable }) => sum + elementCount(shape) * (trainable ? copies : 1),
    graph.classes * graph.embeddingSize + PRELOGITS_BINS,
  );
  return floats * 4;
}

async function trainPrepared(
  { run, data, isResumed }: PreparedRun,
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
  choose: typeof chooseExecutor,
): Promise<TrainSummary> {
  const { options } = run;
  const graph = buildModel(options.model_def, {
    embeddingSize: options.embedding_size,
    classes: data.classNames.length,
    batchNormDecay: options.batch_norm_decay,
  });
  const settings = executorSettings(options, graph);
  const open = async (): Promise<OpenExecutor> => {
    const { device, create } = await choose({
      executor: options.executor === 'auto' ? undefined : options.executor,
      backend: options.backend === 'auto' ? undefined : options.backend,
    });
    return { device, executor: await create(settings) };
  };
  const job = new TrainJob(run, data, request, await open(), open, onEvent, control);
  try {
    await job.start(isResumed);
    return await job.run();
  } finally {
    job.dispose();
  }
}

interface OpenExecutor {
  readonly device: ChosenExecutor['device'];
  readonly executor: Executor;
}

class TrainJob {
  readonly #keeper: RunKeeper;
  readonly #options: TrainingOptions;
  readonly #data: TrainingData;
  readonly #request: TrainRequest;
  #executor: Executor;
  #device: DeviceInfo;
  readonly #open: () => Promise<OpenExecutor>;
  readonly #onEvent: (event: TrainEvent) => void;
  readonly #control: TrainControl;
  readonly #batches: BatchSource;
  readonly #pool: ImagePool;
  readonly #images: ImageCache;
  #folders: RunFolders | undefined;
  /** The newest model is not in its folder. */
  #isModelMissing = false;
  #pairs: PairsSource | undefined;
  readonly #metricsThrottle = new Throttle(METRICS_INTERVAL_MS);
  #lastStep: StepRecord | undefined;
  /** Of the epoch so far, as far as it has been taken from the executor. */
  #prelogitsCounts = new Float64Array(PRELOGITS_BINS);
  /** The step that the run can go on after. */
  #checkpointedStep = 0;
  #checkpointedAt = performance.now();

  constructor(
    run: RunRecord,
    data: TrainingData,
    request: TrainRequest,
    { executor, device }: OpenExecutor,
    open: () => Promise<OpenExecutor>,
    onEvent: (event: TrainEvent) => void,
    control: TrainControl,
  ) {
    this.#keeper = new RunKeeper({ ...run, device: executor.description }, (message) => this.#warn(message));
    this.#options = run.options;
    this.#data = data;
    this.#request = request;
    this.#executor = executor;
    this.#device = device;
    this.#open = open;
    this.#onEvent = onEvent;
    this.#control = control;
    this.#pairs = request.lfw ?? run.lfw;
    this.#pool = new ImagePool(run.options.nrof_preprocess_threads);
    this.#images = new ImageCache(this.#pool.decode);
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
      (error) => this.#warn(`${error.message} Another photo takes its place.`),
    );
  }

  get #run(): RunRecord {
    return this.#keeper.run;
  }

  readonly #read = (file: ImageFile) => this.#images.read(file);

  dispose(): void {
    this.#executor.dispose();
    this.#pool.dispose();
  }

  /** Parameters from the checkpoint, from a pretrained model, or fresh ones. */
  async start(isResumed: boolean): Promise<void> {
    const { id } = this.#run;
    if (isResumed) await deleteUnfinishedCheckpoints(id);
    const checkpoint = isResumed ? await this.#keeper.newestCheckpoint() : undefined;
    await this.#writeStart(checkpoint);
    if (isResumed) {
      if (this.#data.train.length !== this.#run.imageCount)
        this.#warn(
          `The dataset has ${this.#data.train.length} training photos now, and had ${this.#run.imageCount}: the run goes on, but not exactly as it would have.`,
        );
    } else
      for (const { option, message } of validateOptions(this.#options, {
        imageCount: this.#data.train.length,
      }))
        this.#warn(`${option}: ${message}`);
    if (this.#data.filterNote) this.#warn(this.#data.filterNote);
    // The best one is kept beside the newest ones.
    const isMeasured = this.#pairs !== undefined || this.#data.validation.length > 0;
    await this.#keeper.warnOfFullDisk(
      checkpointBytes(this.#executor.settings),
      CHECKPOINTS_KEPT + (isMeasured ? 1 : 0),
    );
    await this.#beginAfter(checkpoint?.step ?? 0);
    if (!checkpoint && this.#request.pretrained) await this.#startFromPretrained(this.#request.pretrained);
  }

  /** The network's values before the next step. */
  async #writeStart(checkpoint: Checkpoint | undefined): Promise<void> {
    const { graph, seed } = this.#executor.settings;
    await this.#executor.writeParameters(initializeParameters(graph, seed));
    await this.#executor.takePrelogitsHistogram();
    this.#prelogitsCounts = Float64Array.from(
      checkpoint?.state.get(PRELOGITS_HISTOGRAM)?.data ?? new Float64Array(PRELOGITS_BINS),
    );
    if (!checkpoint) return;
    await this.#executor.writeParameters(checkpoint.parameters);
    await this.#executor.writeState(checkpoint.state);
  }

  async #startFromPretrained(pretrained: ModelReference): Promise<void> {
    const { graph } = this.#executor.settings;
    this.#warn(await startFromPretrained(this.#executor, graph, this.#data.classNames, pretrained));
    // What the run began with is not found anywhere else when it has to begin again.
    await this.#saveCheckpoint(await this.#executor.readParameters());
  }

  /** Everything measured after `step` is forgotten; the page is told where the run stands. */
  async #beginAfter(step: number): Promise<void> {
    const { id } = this.#run;
    this.#checkpointedStep = step;
    await this.#keeper.rewind(step);
    this.#lastStep = step === 0 ? undefined : await readLastStep(id);
    await this.#keeper.update({
      step,
      epoch: this.#lastStep?.epoch ?? 0,
      status: 'running',
      device: this.#executor.description,
    });
    await this.#openFolders();
    this.#onEvent({
      kind: 'started',
      run: this.#run,
      device: this.#device,
      executor: this.#executor.description,
      parameterCount: this.#executor.settings.graph.parameters
        .filter(({ trainable }) => trainable)
        .reduce((sum, { shape }) => sum + elementCount(shape), 0),
      stepsPerEpoch: this.#options.epoch_size,
      gpuBytes: this.#executor.bytes,
    });
  }

  /** Folders that cannot be written end a run before it begins, and not afterwards. */
  async #openFolders(): Promise<void> {
    const { logsBase, modelsBase } = this.#request;
    if (!logsBase && !modelsBase) return;
    try {
      this.#folders = await RunFolders.open(await this.#history(), logsBase, modelsBase);
    } catch (error) {
      if (!this.#folders) throw error;
      this.#warn(`The log folder could not be written: ${messageOf(error)}`);
    }
  }

  /** Of the steps that this run goes on after; what was measured later is measured again. */
  async #history(): Promise<RunHistory> {
    const { id, step } = this.#run;
    if (step === 0) return { run: this.#run, steps: [], validations: [], evaluations: [], prelogits: [] };
    const until = <Entry extends { step: number }>(entries: readonly Entry[]): Entry[] =>
      entries.filter((entry) => entry.step <= step);
    return {
      run: this.#run,
      steps: until(await readSteps(id)),
      validations: until(await readValidations(id)),
      evaluations: until(await readEvaluations(id)),
      prelogits: until(await readPrelogits(id)),
    };
  }

  async run(): Promise<TrainSummary> {
    try {
      const end = await this.#trainDespiteLosses();
      await this.#keeper.flushSteps();
      await this.#writeLogs();
      await this.#setStatus(
        end,
        end === 'finished'
          ? `Finished after ${this.#run.step} steps.`
          : `Stopped after ${this.#run.step} steps. The checkpoint is kept: the run can go on later.`,
      );
    } catch (error) {
      await this.#keeper.flushSteps();
      // A checkpoint whose very next step has no finite loss is the one that diverged.
      if (error instanceof LossNotFiniteError && this.#checkpointedStep === this.#run.step)
        await dropBadCheckpoint(this.#run.id, this.#checkpointedStep).catch(() => false);
      await this.#writeLogs();
      const message = messageOf(error);
      await this.#keeper.update({ status: 'failed', error: message });
      this.#onEvent({ kind: 'status', status: 'failed', message });
      throw error;
    }
    return { run: this.#run, lastStep: this.#lastStep };
  }

  // The device ---------------------------------------------------------------------------------------------------

  /** @throws DeviceLostTooOftenError */
  async #trainDespiteLosses(): Promise<LoopEnd> {
    const losses = new DeviceLosses();
    let loss: DeviceLostError | undefined;
    for (;;)
      try {
        if (loss) await this.#goOnAfter(loss);
        loss = undefined;
        return await this.#trainToEnd();
      } catch (error) {
        if (!isDeviceLost(error)) throw error;
        losses.add(this.#checkpointedStep, error);
        loss = error;
      }
  }

  async #trainToEnd(): Promise<LoopEnd> {
    const hooks: LoopHooks = {
      nextBatch: (step, settle) => this.#nextBatch(step, settle),
      onStep: (record) => this.#onStep(record),
      onEpochEnd: (epoch, step) => this.#onEpochEnd(epoch, step),
      interruption: () => this.#interruption(),
      onInterruption: (interruption) => this.#onInterruption(interruption),
    };
    await this.#catchUpEpochEnd();
    const end = await runTrainingLoop(this.#executor, this.#options, this.#run.step, hooks);
    if (end !== 'finished') return end;
    await this.#checkpoint();
    // A finished run without its model would be no good.
    if (this.#isModelMissing)
      await this.#folders?.writeModel(this.#run, await this.#executor.readParameters());
    return end;
  }

  /** On a new device, from the last checkpoint: the steps after it are done again, with the same values. */
  async #goOnAfter(loss: DeviceLostError): Promise<void> {
    const { step } = this.#run;
    const device = this.#executor.description;
    this.#executor.dispose();
    const opened = await this.#openAgain();
    this.#executor = opened.executor;
    this.#device = opened.device;
    const checkpoint = await this.#keeper.newestCheckpoint();
    await this.#writeStart(checkpoint);
    const repeated = step - (checkpoint?.step ?? 0);
    this.#warn(
      `The GPU was lost after step ${step} (${loss.reason}). The run goes on from ${checkpoint ? `the checkpoint of step ${checkpoint.step}` : 'its beginning'}: ${repeated} steps are done again.`,
    );
    if (this.#executor.description !== device)
      this.#warn(
        `It goes on with ${this.#executor.description} instead of ${device}, and so not exactly as it would have.`,
      );
    await this.#beginAfter(checkpoint?.step ?? 0);
    if (!checkpoint && this.#request.pretrained) await this.#startFromPretrained(this.#request.pretrained);
  }

  /** @throws what the last try failed with */
  async #openAgain(): Promise<OpenExecutor> {
    let problem: unknown;
    for (const waitMs of DEVICE_RETRIES_MS)
      try {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        return await this.#open();
      } catch (error) {
        if (error instanceof BatchTooLargeError) throw error;
        problem = error;
      }
    throw problem;
  }

  // Between steps ------------------------------------------------------------------------------------------------

  async #nextBatch(step: number, settle: () => Promise<void>): Promise<LabelledBatch | undefined> {
    try {
      return await this.#batches.next(step);
    } catch (error) {
      if (!(error instanceof PermissionLostError)) throw error;
      await settle();
      await this.#checkpoint();
      await this.#pauseFor(error);
      return undefined;
    }
  }

  /** A folder whose permission is gone pauses the run. */
  async #pauseFor(problem: PermissionLostError): Promise<void> {
    await this.#setStatus('paused', problem.message);
    await this.#control.pauseByItself();
    if (this.#control.wanted !== 'stop') await this.#setStatus('running', 'The run goes on.');
  }

  #onStep(measured: StepRecord): void {
    const record = { ...measured, at: Date.now() };
    this.#lastStep = record;
    this.#keeper.addStep(record);
    this.#folders?.addStep(record);
    this.#onEvent({ kind: 'step', record });
    if (this.#metricsThrottle.ready()) void this.#keeper.flushSteps();
  }

  #interruption(): Interruption | undefined {
    if (this.#control.wanted) return this.#control.wanted;
    const isDue = performance.now() - this.#checkpointedAt > CHECKPOINT_INTERVAL_MS;
    return isDue && this.#run.step > this.#checkpointedStep ? 'checkpoint' : undefined;
  }

  async #onInterruption(interruption: Interruption): Promise<void> {
    await this.#checkpoint();
    await this.#writeLogs();
    if (interruption !== 'pause') return;
    await this.#setStatus('paused', `Paused after ${this.#run.step} steps; a checkpoint is written.`);
    await this.#control.waitWhilePaused();
    if (this.#control.wanted !== 'stop') await this.#setStatus('running', 'The run goes on.');
  }

  async #onEpochEnd(epoch: number, step: number): Promise<void> {
    await this.#checkpoint();
    await this.#endPrelogitsHistogram(epoch, step);
    if (this.#options.log_histograms) await this.#addHistograms(step);
    await this.#measure(epoch, step);
    await this.#writeLogs();
  }

  /** The counts of an epoch are complete; the next one's begin. */
  async #endPrelogitsHistogram(epoch: number, step: number): Promise<void> {
    const record = { epoch, step, counts: Uint32Array.from(this.#prelogitsCounts) };
    await this.#keeper.addPrelogits(record);
    this.#folders?.addPrelogits(record);
    this.#prelogitsCounts.fill(0);
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
      this.#warn(`The log folder could not be written: ${messageOf(error)}`);
    }
  }

  // Validation and evaluation ------------------------------------------------------------------------------------

  /** A run that was interrupted between an epoch's checkpoint and what is measured after it measures that first. */
  async #catchUpEpochEnd(): Promise<void> {
    const { step } = this.#run;
    if (step === 0 || step % this.#options.epoch_size !== 0) return;
    const epoch = epochOfStep(step - 1, this.#options.epoch_size);
    await this.#endPrelogitsHistogram(epoch, step);
    await this.#measure(epoch, step);
  }

  /** What was measured already is not measured again. */
  async #measure(epoch: number, step: number): Promise<void> {
    const { id } = this.#run;
    const isAt = (record: { step: number }): boolean => record.step === step;
    const isLast = epoch === this.#options.max_nrof_epochs;
    if (
      this.#data.validation.length > 0 &&
      (isLast || epoch % this.#options.validate_every_n_epochs === 0) &&
      !(await readValidations(id)).some(isAt)
    )
      await this.#whilePermitted(() => this.#validate(epoch, step));
    if (this.#pairs && !(await readEvaluations(id)).some(isAt))
      await this.#whilePermitted(() => this.#evaluate(epoch, step, this.#pairs!));
    await this.#considerBest(epoch, step);
  }

  /** By the evaluation on pairs where there is one, since it asks what the model is for; else by the validation. */
  async #considerBest(epoch: number, step: number): Promise<void> {
    const { id } = this.#run;
    const measured = this.#pairs ? await readEvaluations(id) : await readValidations(id);
    const record: Pick<BestModel, 'accuracy' | 'crossEntropy'> | undefined = measured.findLast(
      (one) => one.step === step,
    );
    if (!record) return;
    const { accuracy, crossEntropy } = record;
    const measuredBy = this.#pairs ? 'pairs' : 'validation';
    const best: BestModel = { step, epoch, measuredBy, accuracy, crossEntropy };
    if (!(await this.#keeper.considerBest(best))) return;
    this.#onEvent({ kind: 'best', best });
    // What could not be removed now is removed with the next model.
    await this.#folders?.pruneModels(best.step).catch(() => undefined);
  }

  /** Pauses where a folder's permission is gone, then does the work again; left out when the run is to stop. */
  async #whilePermitted(work: () => Promise<void>): Promise<void> {
    while (this.#control.wanted !== 'stop')
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof PermissionLostError)) throw error;
        await this.#pauseFor(error);
      }
  }

  async #validate(epoch: number, step: number): Promise<void> {
    const startedAt = performance.now();
    const record: ValidationRecord = {
      ...(await validateRun(this.#executor, this.#options, this.#data.validation, this.#read)),
      step,
      epoch,
      durationMs: performance.now() - startedAt,
      at: Date.now(),
    };
    await this.#keeper.addValidation(record);
    this.#folders?.addValidation(record);
    this.#onEvent({ kind: 'validation', record });
  }

  /** One that fails ends itself, and not the run. */
  async #evaluate(epoch: number, step: number, pairs: PairsSource): Promise<void> {
    let result: EvaluationResult;
    try {
      result = await evaluateRun(this.#executor, this.#options, pairs);
    } catch (error) {
      if (error instanceof PermissionLostError || isDeviceLost(error)) throw error;
      this.#pairs = undefined;
      this.#warn(`The evaluation on pairs failed: ${messageOf(error)} The run goes on without it.`);
      return;
    }
    const { accuracy, val, durationMs } = result;
    const record: EvaluationSummary = { step, epoch, accuracy, valRate: val, durationMs, at: Date.now() };
    await this.#keeper.addEvaluation(record);
    this.#folders?.addEvaluation(record);
    this.#onEvent({ kind: 'evaluation', record });
  }

  // Checkpoints --------------------------------------------------------------------------------------------------

  async #checkpoint(): Promise<void> {
    this.#checkpointedAt = performance.now();
    if (this.#run.step === this.#checkpointedStep) return;
    const startedAt = performance.now();
    const { step } = this.#run;
    await this.#keeper.flushSteps();
    const parameters = await this.#executor.readParameters();
    if (!areFinite(parameters)) throw new LossNotFiniteError(step);
    const sizeBytes = await this.#saveCheckpoint(parameters);
    await this.#writeModel(parameters);
    this.#checkpointedAt = performance.now();
    if (sizeBytes === undefined) return;
    await this.#keeper.update({});
    this.#onEvent({ kind: 'checkpoint', step, sizeBytes, durationMs: performance.now() - startedAt });
  }

  /** A folder that is full or locked now may be free again for the next model. */
  async #writeModel(parameters: NamedTensors): Promise<void> {
    try {
      await this.#folders?.writeModel(this.#run, parameters);
      this.#isModelMissing = false;
    } catch (error) {
      this.#isModelMissing = true;
      this.#warn(`The model could not be written: ${messageOf(error)}`);
    }
  }

  /** @returns undefined when there was no room for it: it is kept in memory then */
  async #saveCheckpoint(parameters: NamedTensors): Promise<number | undefined> {
    const { id, step, epoch } = this.#run;
    const taken = await this.#executor.takePrelogitsHistogram();
    this.#prelogitsCounts = this.#prelogitsCounts.map((count, bin) => count + taken[bin]!);
    const state = new Map(await this.#executor.readState());
    state.set(PRELOGITS_HISTOGRAM, {
      shape: [PRELOGITS_BINS],
      data: Float32Array.from(this.#prelogitsCounts),
    });
    const sizeBytes = await this.#keeper.saveCheckpoint({ runId: id, step, epoch, parameters, state });
    this.#checkpointedStep = step;
    return sizeBytes;
  }

  // Telling ------------------------------------------------------------------------------------------------------

  #warn(message: string): void {
    this.#onEvent({ kind: 'warning', message });
  }

  async #setStatus(status: RunStatus, message: string): Promise<void> {
    await this.#keeper.update({ status });
    this.#onEvent({ kind: 'status', status, message });
  }
}

function areFinite(tensors: NamedTensors): boolean {
  for (const { data } of tensors.values()) if (!data.every(Number.isFinite)) return false;
  return true;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

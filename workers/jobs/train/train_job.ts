/**
 * A training run from its request to its end: data, network, loop, and what is kept of it. Everything that the next
 * step depends on is in the checkpoint or follows from the settings, so that a run can be resumed where it was.
 */
import type { ImageFile } from '../../files/classes.ts';
import type { ReadableDirectory } from '../../protocol/data/directories.ts';
import { FolderUnavailableError } from '../../protocol/data/file_errors.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { ImageCache } from '../../files/image_cache.ts';
import type { DeviceLostError } from '../../gpu/errors.ts';
import { buildModel } from '../../compute/graph/models/index.ts';
import { elementCount } from '../../protocol/tensor.ts';
import type { ModelReference } from '../../protocol/models/models.ts';
import type { RunRecord, StepRecord } from '../../protocol/train/runs.ts';
import type { TrainEvent, TrainRequest, TrainSummary } from '../../protocol/train/train.ts';
import { deleteUnfinishedCheckpoints, dropBadCheckpoint } from '../../storage/checkpoints.ts';
import { readLastStep, RunDeletedError } from '../../storage/runs.ts';
import { BatchSource } from '../../training/batch_source.ts';
import type { Trainer, LabelledBatch } from '../../compute/executor.ts';
import {
  LossNotFiniteError,
  epochOfStep,
  runTrainingLoop,
  type Interruption,
  type LoopEnd,
  type LoopHooks,
} from '../../training/loop.ts';
import type { TrainingOptions } from '../../protocol/train/options.ts';
import { validateOptions } from '../../protocol/train/validate_options.ts';
import { DeviceLosses, isDeviceLost, RunDevice, type ChooseTrainer } from './run_device.ts';
import { chooseExecutor } from '../executors.ts';
import { ImagePool } from '../image_pool.ts';
import { Throttle } from '../../protocol/job_control.ts';
import { messageOf } from '../../common/message_of.ts';
import { withNewRun } from './new_run.ts';
import { prepareNewRun, prepareResumedRun, type PreparedRun } from './prepare_run.ts';
import { startFromPretrained } from './pretrained.ts';
import { RunCheckpoints } from './run_checkpoints.ts';
import { RunKeeper } from './run_keeper.ts';
import { withRunLock } from '../../storage/run_lock.ts';
import { RunMeasurements } from './run_measurements.ts';
import { RunOutputs } from './run_outputs.ts';
import { RunPauses, type TrainControl } from './train_control.ts';
import type { TrainingData } from './training_data.ts';

/** Between writes of the step records. */
const METRICS_INTERVAL_MS = 2000;
/** Between looks whether the dataset's folders are still there; there is one at the beginning of each epoch, too. */
const PRESENCE_INTERVAL_MS = 10_000;

/** @param choose where executors come from; default: what the machine has */
export async function train(
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
  choose: ChooseTrainer = chooseExecutor,
): Promise<TrainSummary> {
  const { resumeRunId } = request;
  const goOnWith = (prepared: PreparedRun): Promise<TrainSummary> =>
    trainPrepared(prepared, request, onEvent, control, choose);
  try {
    // A run that another tab trains is not even read.
    if (resumeRunId !== undefined)
      return await withRunLock(resumeRunId, async () =>
        goOnWith(await prepareResumedRun(request, resumeRunId, onEvent, control)),
      );
    const { draft, data } = await prepareNewRun(request, onEvent, control);
    return await withNewRun(draft, request, async ({ run, abandon }) => {
      let hasBegun = false;
      const observe = (event: TrainEvent): void => {
        hasBegun ||= event.kind === 'started';
        onEvent(event);
      };
      try {
        return await trainPrepared({ run, data, isResumed: false }, request, observe, control, choose);
      } catch (error) {
        // A network that does not fit, or a folder that cannot be written, leaves no run behind.
        if (!hasBegun) await abandon();
        throw error;
      }
    });
  } finally {
    control.end();
  }
}

async function trainPrepared(
  { run, data, isResumed, datasetChange }: PreparedRun,
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
  choose: ChooseTrainer,
): Promise<TrainSummary> {
  const { options } = run;
  const graph = buildModel(options.model_def, {
    embeddingSize: options.embedding_size,
    classes: data.classNames.length,
    batchNormDecay: options.batch_norm_decay,
  });
  const device = await RunDevice.open(options, graph, choose);
  const job = new TrainJob(run, data, request, device, onEvent, control);
  try {
    await job.start(isResumed, datasetChange);
    return await job.run();
  } finally {
    job.dispose();
  }
}

class TrainJob {
  readonly #options: TrainingOptions;
  readonly #data: TrainingData;
  readonly #request: TrainRequest;
  readonly #device: RunDevice;
  readonly #onEvent: (event: TrainEvent) => void;
  readonly #control: TrainControl;
  readonly #keeper: RunKeeper;
  readonly #outputs: RunOutputs;
  readonly #pauses: RunPauses;
  readonly #checkpoints: RunCheckpoints;
  readonly #measurements: RunMeasurements;
  readonly #batches: BatchSource;
  readonly #pool: ImagePool;
  readonly #read: (file: ImageFile) => Promise<RgbImage>;
  readonly #metricsThrottle = new Throttle(METRICS_INTERVAL_MS);
  readonly #presenceThrottle = new Throttle(PRESENCE_INTERVAL_MS);
  /** That the training images are in. */
  readonly #directories: ReadonlySet<ReadableDirectory>;
  #lastStep: StepRecord | undefined;

  constructor(
    run: RunRecord,
    data: TrainingData,
    request: TrainRequest,
    device: RunDevice,
    onEvent: (event: TrainEvent) => void,
    control: TrainControl,
  ) {
    this.#options = run.options;
    this.#data = data;
    this.#request = request;
    this.#device = device;
    this.#onEvent = onEvent;
    this.#control = control;
    const warn = (message: string): void => this.#warn(message);
    this.#keeper = new RunKeeper({ ...run, device: device.executor.description }, warn);
    this.#outputs = new RunOutputs(request, warn);
    // Folders of kind http are those of a command in a terminal.
    const isAnyoneThere = request.data.every(({ kind }) => kind !== 'http');
    this.#pauses = new RunPauses(this.#keeper, control, onEvent, isAnyoneThere);
    this.#checkpoints = new RunCheckpoints(this.#keeper, device, this.#outputs, onEvent);
    this.#directories = new Set(data.train.map(({ file }) => file.directory));
    this.#pool = new ImagePool(run.options.nrof_preprocess_threads);
    const images = new ImageCache(this.#pool.decode);
    const read = (file: ImageFile) => images.read(file);
    this.#read = read;
    this.#measurements = new RunMeasurements(
      { validation: data.validation, pairs: request.lfw ?? run.lfw, read, readPair: this.#pool.read },
      this.#keeper,
      device,
      this.#outputs,
      this.#pauses,
      onEvent,
    );
    const { batch_size, image_size, seed, random_crop, random_flip, random_rotate } = run.options;
    this.#batches = new BatchSource(
      data.train,
      {
        batchSize: batch_size,
        imageSize: image_size,
        seed,
        augmentation: { random_crop, random_flip, random_rotate },
      },
      read,
      (error) => this.#warn(`${error.message} Another photo is used instead.`),
    );
  }

  get #run(): RunRecord {
    return this.#keeper.run;
  }

  get #executor(): Trainer {
    return this.#device.executor;
  }

  /** The width of the first face, pixels. A face that cannot be read is named when its batch needs it. */
  async #faceSize(): Promise<number | undefined> {
    const first = this.#data.train[0];
    return (
      first &&
      (await this.#read(first.file).then(
        ({ width }) => width,
        () => undefined,
      ))
    );
  }

  dispose(): void {
    this.#device.dispose();
    this.#pool.dispose();
  }

  /** Parameters from the checkpoint, from a pretrained model, or fresh ones. */
  async start(isResumed: boolean, datasetChange: string | undefined): Promise<void> {
    const { id } = this.#run;
    if (isResumed) await deleteUnfinishedCheckpoints(id);
    const checkpoint = isResumed ? await this.#keeper.newestCheckpoint() : undefined;
    await this.#checkpoints.restore(checkpoint);
    if (isResumed) {
      if (datasetChange !== undefined) this.#warn(datasetChange);
      else if (this.#data.train.length !== this.#run.imageCount)
        this.#warn(
          `The dataset now has ${this.#data.train.length} training photos; it had ${this.#run.imageCount}. The run continues, but the result will differ.`,
        );
    } else
      for (const { option, message } of validateOptions(this.#options, {
        imageCount: this.#data.train.length,
        faceSize: await this.#faceSize(),
        isProcessorOnly: this.#device.device.backend === 'wasm',
      }))
        this.#warn(`${option}: ${message}`);
    for (const note of this.#data.skippedNotes) this.#warn(note);
    if (this.#data.filterNote) this.#warn(this.#data.filterNote);
    await this.#checkpoints.warnOfFullDisk(this.#measurements.isAny);
    await this.#beginAfter(checkpoint?.step ?? 0);
    if (checkpoint) await this.#outputs.writeModelOf(this.#run, checkpoint);
    if (!checkpoint && this.#request.pretrained) await this.#startFromPretrained(this.#request.pretrained);
  }

  async #startFromPretrained(pretrained: ModelReference): Promise<void> {
    const { graph } = this.#executor.settings;
    this.#warn(await startFromPretrained(this.#executor, graph, this.#data.classNames, pretrained));
    await this.#checkpoints.writeStart();
  }

  /** Everything measured after `step` is forgotten; the page is told where the run stands. */
  async #beginAfter(step: number): Promise<void> {
    const { id } = this.#run;
    this.#checkpoints.beginAfter(step);
    await this.#keeper.rewind(step);
    this.#lastStep = step === 0 ? undefined : await readLastStep(id);
    await this.#keeper.update({
      step,
      epoch: this.#lastStep?.epoch ?? 0,
      status: 'running',
      device: this.#executor.description,
    });
    await this.#outputs.open(this.#run);
    this.#onEvent({
      kind: 'started',
      run: this.#run,
      device: this.#device.device,
      executor: this.#executor.description,
      parameterCount: this.#executor.settings.graph.parameters
        .filter(({ trainable }) => trainable)
        .reduce((sum, { shape }) => sum + elementCount(shape), 0),
      stepsPerEpoch: this.#options.epoch_size,
      gpuBytes: this.#executor.bytes,
    });
  }

  async run(): Promise<TrainSummary> {
    try {
      const end = await this.#trainDespiteLosses();
      await this.#keeper.flushSteps();
      await this.#outputs.writeLogs();
      await this.#pauses.setStatus(
        end,
        end === 'finished'
          ? `Finished after ${this.#run.step} steps.`
          : `Stopped after ${this.#run.step} steps. The checkpoint is kept, so you can resume the run.`,
      );
    } catch (error) {
      await this.#fail(error);
      throw error;
    }
    return { run: this.#run, lastStep: this.#lastStep };
  }

  async #fail(error: unknown): Promise<void> {
    const message = messageOf(error);
    if (!(error instanceof RunDeletedError)) {
      await this.#keeper.flushSteps();
      // A checkpoint whose very next step has no finite loss is the one that diverged.
      const { step } = this.#checkpoints;
      if (error instanceof LossNotFiniteError && step === this.#run.step)
        await dropBadCheckpoint(this.#run.id, step).catch(() => false);
      await this.#outputs.writeLogs();
      await this.#keeper.update({ status: 'failed', error: message });
    }
    this.#onEvent({ kind: 'status', status: 'failed', message });
  }

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
        losses.add(this.#checkpoints.step, error);
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
    await this.#checkpoints.write();
    await this.#outputs.writeMissingModel(this.#run, this.#executor);
    return end;
  }

  /** On a new device, from the last checkpoint: the steps after it are done again, with the same values. */
  async #goOnAfter(loss: DeviceLostError): Promise<void> {
    const { step } = this.#run;
    const device = this.#executor.description;
    await this.#device.openAgain();
    const checkpoint = await this.#keeper.newestCheckpoint();
    await this.#checkpoints.restore(checkpoint);
    const repeated = step - (checkpoint?.step ?? 0);
    this.#warn(
      `The GPU was lost after step ${step} (${loss.reason}). The run continues from ${checkpoint ? `the checkpoint of step ${checkpoint.step}` : 'its beginning'} and repeats ${repeated} steps.`,
    );
    if (this.#executor.description !== device)
      this.#warn(
        `It continues with ${this.#executor.description} instead of ${device}, so the result will differ slightly.`,
      );
    await this.#beginAfter(checkpoint?.step ?? 0);
    if (!checkpoint && this.#request.pretrained) await this.#startFromPretrained(this.#request.pretrained);
  }

  // Between steps ------------------------------------------------------------------------------------------------

  async #nextBatch(step: number, settle: () => Promise<void>): Promise<LabelledBatch | undefined> {
    this.#keeper.requireNotDeleted();
    try {
      // What is cached would let a run end well whose dataset was deleted at its beginning.
      if (step % this.#options.epoch_size === 0 || this.#presenceThrottle.ready())
        for (const directory of this.#directories) await directory.requireThere?.();
      return await this.#batches.next(step);
    } catch (error) {
      if (!(error instanceof FolderUnavailableError)) throw error;
      await settle();
      await this.#checkpoints.write();
      await this.#pauses.pauseFor(error);
      return undefined;
    }
  }

  #onStep(measured: StepRecord): void {
    const record = { ...measured, at: Date.now() };
    this.#lastStep = record;
    this.#keeper.addStep(record);
    this.#outputs.log?.addStep(record);
    this.#onEvent({ kind: 'step', record });
    // What goes wrong with it is noticed before the next step.
    if (this.#metricsThrottle.ready()) this.#keeper.flushSteps().catch(() => undefined);
  }

  #interruption(): Interruption | undefined {
    return this.#control.wanted ?? (this.#checkpoints.isDue ? 'checkpoint' : undefined);
  }

  async #onInterruption(interruption: Interruption): Promise<void> {
    await this.#checkpoints.write();
    await this.#outputs.writeLogs();
    if (interruption === 'pause') await this.#pauses.pauseAsAsked();
  }

  async #onEpochEnd(epoch: number, step: number): Promise<void> {
    if (this.#options.log_histograms) {
      // Written to the log before the checkpoint: a run that resumes from there no longer has these gradients.
      await this.#outputs.addHistograms(step, this.#executor);
      await this.#outputs.writeLogs();
    }
    await this.#checkpoints.write();
    await this.#endPrelogitsHistogram(epoch, step);
    await this.#measurements.measure(epoch, step);
    await this.#outputs.writeLogs();
  }

  /** A run that was interrupted between an epoch's checkpoint and what is measured after it measures that first. */
  async #catchUpEpochEnd(): Promise<void> {
    const { step } = this.#run;
    if (step === 0 || step % this.#options.epoch_size !== 0) return;
    const epoch = epochOfStep(step - 1, this.#options.epoch_size);
    await this.#endPrelogitsHistogram(epoch, step);
    await this.#measurements.measure(epoch, step);
  }

  async #endPrelogitsHistogram(epoch: number, step: number): Promise<void> {
    const record = this.#checkpoints.takePrelogits(epoch, step);
    await this.#keeper.addPrelogits(record);
    this.#outputs.log?.addPrelogits(record);
  }

  #warn(message: string): void {
    this.#onEvent({ kind: 'warning', message });
  }
}

/**
 * When a run's checkpoints are written, and what is in them: all that the next step depends on and that does not follow
 * from the settings.
 */
import { initializeParameters } from '../../compute/graph/initialize.ts';
import { elementCount } from '../../protocol/tensor.ts';
import { type NamedTensors } from '../../protocol/tensor.ts';
import type { PrelogitsHistogram } from '../../protocol/train/runs.ts';
import { checkAllValues } from '../../models/parameter_values.ts';
import type { TrainEvent } from '../../protocol/train/train.ts';
import { CHECKPOINTS_KEPT, type Checkpoint } from '../../storage/checkpoints.ts';
import { trainerSettings, type TrainerSettings } from '../../compute/executor.ts';
import { LossNotFiniteError } from '../../training/loop.ts';
import { optimizerSlots } from '../../compute/step/optimizers.ts';
import { PRELOGITS_BINS } from '../../protocol/train/runs.ts';
import { prelogitsCounts, prelogitsTensor } from '../../compute/step/prelogits_histogram.ts';
import type { RunDevice } from './run_device.ts';
import type { RunKeeper } from './run_keeper.ts';
import type { RunOutputs } from './run_outputs.ts';

/** In a checkpoint, beside the executor's state: the counts of the epoch so far. */
const PRELOGITS_HISTOGRAM = 'prelogits_histogram';
/** Between checkpoints within a long epoch. */
const INTERVAL_MS = 5 * 60 * 1000;

export class RunCheckpoints {
  readonly #keeper: RunKeeper;
  readonly #device: RunDevice;
  readonly #outputs: RunOutputs;
  readonly #onEvent: (event: TrainEvent) => void;
  /** Of the epoch so far, as far as it has been taken from the executor. */
  #prelogitsCounts: Float64Array = new Float64Array(PRELOGITS_BINS);
  #step = 0;
  #writtenAt = performance.now();

  constructor(
    keeper: RunKeeper,
    device: RunDevice,
    outputs: RunOutputs,
    onEvent: (event: TrainEvent) => void,
  ) {
    this.#keeper = keeper;
    this.#device = device;
    this.#outputs = outputs;
    this.#onEvent = onEvent;
  }

  /** The step from which the run can continue. */
  get step(): number {
    return this.#step;
  }

  /** The last one was written long ago. */
  get isDue(): boolean {
    return performance.now() - this.#writtenAt > INTERVAL_MS && this.#keeper.run.step > this.#step;
  }

  /** @param isMeasured the best one is kept beside the newest ones */
  async warnOfFullDisk(isMeasured: boolean): Promise<void> {
    await this.#keeper.warnOfFullDisk(
      checkpointBytes(trainerSettings(this.#device.executor.settings)),
      CHECKPOINTS_KEPT + (isMeasured ? 1 : 0),
    );
  }

  /**
   * The network's values before the next step: a checkpoint's, or fresh ones.
   * @throws ParameterNotFiniteError, NegativeVarianceError
   */
  async restore(checkpoint: Checkpoint | undefined): Promise<void> {
    if (checkpoint) {
      const { id } = this.#keeper.run;
      const place = `the checkpoint of ${id}, step ${checkpoint.step}`;
      for (const tensors of [checkpoint.parameters, checkpoint.state]) checkAllValues(place, tensors);
    }
    const { executor } = this.#device;
    const { graph, seed } = trainerSettings(executor.settings);
    await executor.writeParameters(initializeParameters(graph, seed));
    await executor.takePrelogitsHistogram();
    this.#prelogitsCounts = prelogitsCounts(checkpoint?.state.get(PRELOGITS_HISTOGRAM));
    if (!checkpoint) return;
    await executor.writeParameters(checkpoint.parameters);
    await executor.writeState(checkpoint.state);
  }

  /** The run goes on after this step. */
  beginAfter(step: number): void {
    this.#step = step;
  }

  /** Of the run as it stands, with its model; nothing where there is one already. @throws LossNotFiniteError */
  async write(): Promise<void> {
    this.#writtenAt = performance.now();
    const { step } = this.#keeper.run;
    if (step === this.#step) return;
    const startedAt = performance.now();
    await this.#keeper.flushSteps();
    const parameters = await this.#device.executor.readParameters();
    if (!areFinite(parameters)) throw new LossNotFiniteError(step);
    const sizeBytes = await this.#save(parameters);
    await this.#outputs.writeModel(this.#keeper.run, parameters);
    this.#writtenAt = performance.now();
    if (sizeBytes === undefined) return;
    await this.#keeper.update({});
    this.#onEvent({ kind: 'checkpoint', step, sizeBytes, durationMs: performance.now() - startedAt });
  }

  /** What the run begins with, where that is not found anywhere else when it has to begin again. */
  async writeStart(): Promise<void> {
    await this.#save(await this.#device.executor.readParameters());
  }

  /** @returns undefined when there was no room for it: it is kept in memory then */
  async #save(parameters: NamedTensors): Promise<number | undefined> {
    const { executor } = this.#device;
    const { id, step, epoch } = this.#keeper.run;
    const taken = await executor.takePrelogitsHistogram();
    this.#prelogitsCounts = this.#prelogitsCounts.map((count, bin) => count + taken[bin]!);
    const state = new Map(await executor.readState());
    state.set(PRELOGITS_HISTOGRAM, prelogitsTensor(this.#prelogitsCounts));
    const sizeBytes = await this.#keeper.saveCheckpoint({ runId: id, step, epoch, parameters, state });
    this.#step = step;
    return sizeBytes;
  }

  /** The counts of an epoch are complete, and in its checkpoint; the next one's begin. */
  takePrelogits(epoch: number, step: number): PrelogitsHistogram {
    const record = { epoch, step, counts: this.#prelogitsCounts.slice() };
    this.#prelogitsCounts.fill(0);
    return record;
  }
}

/** Of one checkpoint, bytes: the parameters, and what the optimizer and the averages keep of each. */
function checkpointBytes({ graph, optimizer, movingAverageDecay }: TrainerSettings): number {
  const copies = 1 + optimizerSlots(optimizer).length + (movingAverageDecay > 0 ? 1 : 0);
  const floats = graph.parameters.reduce(
    (sum, { shape, trainable }) => sum + elementCount(shape) * (trainable ? copies : 1),
    graph.classes * graph.embeddingSize + 2 * PRELOGITS_BINS,
  );
  return floats * 4;
}

function areFinite(tensors: NamedTensors): boolean {
  for (const { data } of tensors.values()) if (!data.every(Number.isFinite)) return false;
  return true;
}

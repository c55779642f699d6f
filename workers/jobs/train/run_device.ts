/** The executor that a run trains with, and another one in its place when its GPU is lost. */
import { BatchTooLargeError, DeviceLostError } from '../../gpu/errors.ts';
import type { Graph } from '../../compute/graph/ir.ts';
import { WasmMemoryError } from '../../compute/tfjs/memory.ts';
import type { Trainer, TrainerSettings } from '../../compute/executor.ts';
import type { TrainingOptions } from '../../protocol/train/options.ts';
import type { ChosenExecutor, ExecutorChoice } from '../executors.ts';

/** Before each try to get a GPU again: a driver that is reset, or a browser's GPU process, takes some time. */
const RETRIES_MS = [0, 500, 1000, 2000, 4000, 8000];

export type ChooseTrainer = (
  choice: ExecutorChoice,
) => Promise<Pick<ChosenExecutor, 'device' | 'createTrainer'>>;

interface OpenExecutor {
  readonly device: ChosenExecutor['device'];
  readonly executor: Trainer;
}

export class RunDevice {
  readonly #open: () => Promise<OpenExecutor>;
  #opened: OpenExecutor;

  private constructor(open: () => Promise<OpenExecutor>, opened: OpenExecutor) {
    this.#open = open;
    this.#opened = opened;
  }

  /** @param choose where executors come from. @throws BatchTooLargeError, WasmMemoryError, and what else opening a device throws */
  static async open(options: TrainingOptions, graph: Graph, choose: ChooseTrainer): Promise<RunDevice> {
    const settings = executorSettings(options, graph);
    const open = async (): Promise<OpenExecutor> => {
      const { device, createTrainer } = await choose({
        executor: options.executor === 'auto' ? undefined : options.executor,
        backend: options.backend === 'auto' ? undefined : options.backend,
      });
      return { device, executor: await createTrainer(settings) };
    };
    return new RunDevice(open, await open());
  }

  get executor(): Trainer {
    return this.#opened.executor;
  }

  get device(): ChosenExecutor['device'] {
    return this.#opened.device;
  }

  /** In the place of one that was lost. @throws what the last try failed with */
  async openAgain(): Promise<void> {
    this.dispose();
    let problem: unknown;
    for (const waitMs of RETRIES_MS)
      try {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        this.#opened = await this.#open();
        return;
      } catch (error) {
        if (error instanceof BatchTooLargeError || error instanceof WasmMemoryError) throw error;
        problem = error;
      }
    throw problem;
  }

  dispose(): void {
    this.executor.dispose();
  }
}

function executorSettings(options: TrainingOptions, graph: Graph): TrainerSettings {
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

/** Losses without a new checkpoint between them. */
const MOST_LOSSES = 3;

export class DeviceLostTooOftenError extends Error {
  override name = 'DeviceLostTooOftenError';
  constructor(step: number, reason: string) {
    super(
      `The GPU was lost ${MOST_LOSSES} times in a row without a checkpoint in between (last reason: ${reason}). The run was stopped; its progress up to step ${step} is kept. Close other programs that use the GPU, or update its driver, then resume the run. If it happens again, start a new run from this one with a smaller batch_size or the backend wasm.`,
    );
  }
}

export function isDeviceLost(error: unknown): error is DeviceLostError {
  return error instanceof DeviceLostError;
}

/**
 * Decides whether a run continues after its GPU was lost, or stops: a driver that crashes now and then costs the steps since
 * the last checkpoint; one that crashes always would keep a run from ever getting on.
 */
export class DeviceLosses {
  #count = 0;
  #lastCheckpoint = -Infinity;

  /**
   * Counts a loss.
   * @param checkpoint the step from which the run can continue
   * @throws DeviceLostTooOftenError when it is not worth trying again
   */
  add(checkpoint: number, loss: DeviceLostError): void {
    this.#count = checkpoint > this.#lastCheckpoint ? 1 : this.#count + 1;
    this.#lastCheckpoint = checkpoint;
    if (this.#count >= MOST_LOSSES) throw new DeviceLostTooOftenError(checkpoint, loss.reason);
  }
}

/**
 * A run: epochs of steps, with validation, evaluation and checkpoints between them. The loop knows neither the page nor
 * the storage: all its effects are callbacks.
 */
import type { StepRecord } from '../protocol/train/runs.ts';
import type { Trainer, LabelledBatch } from '../compute/executor.ts';
import type { StepMetrics } from '../protocol/train/runs.ts';
import type { TrainingOptions } from '../protocol/train/options.ts';
import { learningRateOf } from '../protocol/train/schedule.ts';

export class LossNotFiniteError extends Error {
  override name = 'LossNotFiniteError';
  constructor(step: number) {
    super(
      `Training diverged: the loss is not a number at step ${step}. The last checkpoint is kept. Start a new run from this run's model with a tenth of the learning rate, or with the optimizer ADAM.`,
    );
  }
}

export type LoopEnd = 'finished' | 'stopped';

export type Interruption = 'pause' | 'stop' | 'checkpoint';

export interface LoopHooks {
  /**
   * The batch of a step (from 0). The loop measures how long it waits for it.
   * @param settle waits for the steps in flight
   * @returns undefined after a pause: the loop then checks for interruptions, and requests the batch again
   */
  nextBatch(step: number, settle: () => Promise<void>): Promise<LabelledBatch | undefined>;
  onStep(record: StepRecord): void;
  /** After the last step of each epoch, before the next one begins. */
  onEpochEnd(epoch: number, step: number): Promise<void>;
  /** Called before each step: the interruption to handle first, if any. */
  interruption(): Interruption | undefined;
  /** Called when no step is in flight. Afterwards the loop checks for interruptions again; `stop` ends the loop. */
  onInterruption(interruption: Interruption, step: number, epoch: number): Promise<void>;
}

/** The epoch (from 1) that a step (from 0) belongs to. */
export function epochOfStep(step: number, epochSize: number): number {
  return Math.floor(step / epochSize) + 1;
}

/**
 * Lets the worker receive its messages. With cached images and an executor that answers at once, every await of a step
 * is a microtask, so a request to pause or stop would wait until the end of the epoch. A message takes microseconds, a
 * timer milliseconds.
 */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

interface StepInFlight {
  readonly step: number;
  readonly epoch: number;
  readonly rate: number;
  readonly dataWaitMs: number;
  readonly metrics: Promise<StepMetrics>;
}

/**
 * @param firstStep number of steps done before
 * @throws LossNotFiniteError, and what the executor and the hooks throw
 */
export async function runTrainingLoop(
  executor: Trainer,
  options: TrainingOptions,
  firstStep: number,
  hooks: LoopHooks,
): Promise<LoopEnd> {
  const learningRate = learningRateOf(options);
  const lastStep = options.max_nrof_epochs * options.epoch_size;
  const inFlight: StepInFlight[] = [];
  let settledAt = performance.now();

  const settleUntil = async (count: number): Promise<void> => {
    while (inFlight.length > count) {
      const { step, epoch, rate, dataWaitMs, metrics } = inFlight.shift()!;
      const values = await metrics;
      if (!Number.isFinite(values.totalLoss)) throw new LossNotFiniteError(step + 1);
      const now = performance.now();
      hooks.onStep({
        ...values,
        step: step + 1,
        epoch,
        batch: (step % options.epoch_size) + 1,
        learningRate: rate,
        stepMs: now - settledAt,
        dataWaitMs,
      });
      settledAt = now;
    }
  };

  let step = firstStep;
  while (step < lastStep) {
    const epoch = epochOfStep(step, options.epoch_size);
    const rate = learningRate(epoch, step);
    if (rate <= 0) break;
    await nextTask();
    for (let asked = hooks.interruption(); asked; asked = hooks.interruption()) {
      await settleUntil(0);
      await hooks.onInterruption(asked, step, epoch);
      if (asked === 'stop') return 'stopped';
      settledAt = performance.now();
    }
    const askedAt = performance.now();
    const batch = await hooks.nextBatch(step, () => settleUntil(0));
    if (!batch) {
      settledAt = performance.now();
      continue;
    }
    const dataWaitMs = performance.now() - askedAt;
    const metrics = executor.trainStep(batch, step, rate);
    // This failure is handled when the step settles, even if an earlier step fails first.
    metrics.catch(() => undefined);
    inFlight.push({ step, epoch, rate, dataWaitMs, metrics });
    await settleUntil(executor.stepsInFlight - 1);
    step++;
    if (step % options.epoch_size === 0) {
      await settleUntil(0);
      await hooks.onEpochEnd(epoch, step);
      settledAt = performance.now();
    }
  }
  await settleUntil(0);
  return 'finished';
}

/**
 * A run: epochs of steps, with validation, evaluation and checkpoints between them. It knows neither a page nor a
 * store: everything it does to the world is a callback.
 */
import type { StepRecord } from '../protocol.ts';
import type { Executor, LabelledBatch, StepMetrics } from './executor.ts';
import type { TrainingOptions } from './options.ts';
import { learningRateOf } from './schedule.ts';

export class LossNotFiniteError extends Error {
  override name = 'LossNotFiniteError';
  constructor(step: number) {
    super(
      `The loss was no longer a number at step ${step}. The last checkpoint is kept; go on from it with a smaller learning rate.`,
    );
  }
}

export type LoopEnd = 'finished' | 'stopped';

export type Interruption = 'pause' | 'stop' | 'checkpoint';

export interface LoopHooks {
  /** The batch of a step (from 0); waiting for it is measured. */
  nextBatch(step: number): Promise<LabelledBatch>;
  onStep(record: StepRecord): void;
  /** After the last step of each epoch, before the next one begins. */
  onEpochEnd(epoch: number, step: number): Promise<void>;
  /** Asked before each step: what is to happen first, if anything. */
  interruption(): Interruption | undefined;
  /** No step is in flight; after it the loop asks for an interruption again. `stop` ends the loop. */
  onInterruption(interruption: Interruption, step: number, epoch: number): Promise<void>;
}

/** The epoch (from 1) that a step (from 0) belongs to. */
export function epochOfStep(step: number, epochSize: number): number {
  return Math.floor(step / epochSize) + 1;
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
  executor: Executor,
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

  for (let step = firstStep; step < lastStep; step++) {
    const epoch = epochOfStep(step, options.epoch_size);
    const rate = learningRate(epoch, step);
    if (rate <= 0) break;
    for (let asked = hooks.interruption(); asked; asked = hooks.interruption()) {
      await settleUntil(0);
      await hooks.onInterruption(asked, step, epoch);
      if (asked === 'stop') return 'stopped';
      settledAt = performance.now();
    }
    const askedAt = performance.now();
    const batch = await hooks.nextBatch(step);
    const dataWaitMs = performance.now() - askedAt;
    const metrics = executor.trainStep(batch, step, rate);
    // A failure is seen when the step settles, even if an earlier step fails first.
    metrics.catch(() => undefined);
    inFlight.push({ step, epoch, rate, dataWaitMs, metrics });
    await settleUntil(executor.stepsInFlight - 1);
    if ((step + 1) % options.epoch_size === 0) {
      await settleUntil(0);
      await hooks.onEpochEnd(epoch, step + 1);
      settledAt = performance.now();
    }
  }
  await settleUntil(0);
  return 'finished';
}

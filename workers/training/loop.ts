/**
 * A run: epochs of steps, with validation, evaluation and checkpoints between them. It knows neither a page nor a
 * store: everything it does to the world is a callback.
 */
import type { StepRecord } from '../protocol.ts';
import type { Executor, LabelledBatch } from './executor.ts';
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

export interface LoopHooks {
  /** The batch of a step (from 0); waiting for it is measured. */
  nextBatch(step: number): Promise<LabelledBatch>;
  onStep(record: StepRecord): void;
  /** After the last step of each epoch, before the next one begins. */
  onEpochEnd(epoch: number, step: number): Promise<void>;
  /** Asked before each step: waits while the run is paused. @param saved writes a checkpoint first */
  proceed(step: number, epoch: number): Promise<'continue' | 'stop'>;
  onStopped(step: number, epoch: number): Promise<void>;
}

/** The epoch (from 1) that a step (from 0) belongs to. */
export function epochOfStep(step: number, epochSize: number): number {
  return Math.floor(step / epochSize) + 1;
}

/**
 * @param firstStep number of steps done before
 * @throws LossNotFiniteError
 */
export async function runTrainingLoop(
  executor: Executor,
  options: TrainingOptions,
  firstStep: number,
  hooks: LoopHooks,
): Promise<LoopEnd> {
  const learningRate = learningRateOf(options);
  const lastStep = options.max_nrof_epochs * options.epoch_size;
  for (let step = firstStep; step < lastStep; step++) {
    const epoch = epochOfStep(step, options.epoch_size);
    const rate = learningRate(epoch, step);
    if (rate <= 0) return 'finished';
    if ((await hooks.proceed(step, epoch)) === 'stop') {
      await hooks.onStopped(step, epoch);
      return 'stopped';
    }
    const startedAt = performance.now();
    const batch = await hooks.nextBatch(step);
    const dataWaitMs = performance.now() - startedAt;
    const metrics = await executor.trainStep(batch, step, rate);
    if (!Number.isFinite(metrics.totalLoss)) throw new LossNotFiniteError(step + 1);
    hooks.onStep({
      ...metrics,
      step: step + 1,
      epoch,
      batch: (step % options.epoch_size) + 1,
      learningRate: rate,
      stepMs: performance.now() - startedAt,
      dataWaitMs,
    });
    if ((step + 1) % options.epoch_size === 0) await hooks.onEpochEnd(epoch, step + 1);
  }
  return 'finished';
}

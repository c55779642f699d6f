/**
 * When a run goes on after its GPU was lost, and when it stops: a driver that crashes now and then costs the steps since
 * the last checkpoint; one that crashes always would keep a run from ever getting on.
 */
import { DeviceLostError } from '../../gpu/errors.ts';

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

export class DeviceLosses {
  #count = 0;
  #lastCheckpoint = -Infinity;

  /**
   * Counts a loss.
   * @param checkpoint the step that the run can go on after
   * @throws DeviceLostTooOftenError when it is not worth trying again
   */
  add(checkpoint: number, loss: DeviceLostError): void {
    this.#count = checkpoint > this.#lastCheckpoint ? 1 : this.#count + 1;
    this.#lastCheckpoint = checkpoint;
    if (this.#count >= MOST_LOSSES) throw new DeviceLostTooOftenError(checkpoint, loss.reason);
  }
}

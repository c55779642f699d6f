/** Errors of the GPU. Each message says what to do. */

export class WebGpuUnavailableError extends Error {
  override name = 'WebGpuUnavailableError';
  /** @param advice replaces the advice for the engine, if something else requested the GPU */
  constructor(advice = 'Otherwise choose the executor tfjs.') {
    super(
      `No WebGPU adapter was found. Current Chrome, Edge and Safari offer one; in Firefox it depends on the system. ${advice}`,
    );
  }
}

export class HalfPrecisionUnavailableError extends Error {
  override name = 'HalfPrecisionUnavailableError';
  /** @param device the name of the device without half precision */
  constructor(device: string) {
    super(
      `The precision float16 needs a GPU whose shaders know half precision (WebGPU's feature shader-f16), but ${device} does not support it. Choose the precision float32.`,
    );
  }
}

/** A shader or a pipeline that the device refused, or an error it reported later. */
export class GpuError extends Error {
  override name = 'GpuError';
  /**
   * @param kernel the kernel, or the phase, in which the device reported the error
   * @param advice replaces the advice for training, if something else runs
   */
  constructor(
    readonly kernel: string,
    readonly detail: string,
    advice = 'Choose the executor tfjs to continue without it.',
  ) {
    super(`The GPU reported an error in ${kernel}: ${detail}. ${advice}`);
  }
}

export class GpuOutOfMemoryError extends Error {
  override name = 'GpuOutOfMemoryError';
  /**
   * @param bytes the requested memory, if known
   * @param advice replaces the advice for training, if something else runs
   */
  constructor(
    readonly bytes: number | undefined,
    readonly detail: string,
    advice = 'Choose a smaller batch_size, or close other pages that use the GPU.',
  ) {
    super(
      `The GPU could not give ${bytes === undefined ? 'enough' : formatMegabytes(bytes) + ' of'} memory (${detail}). ${advice}`,
    );
  }
}

export class DeviceLostError extends Error {
  override name = 'DeviceLostError';
  /** @param advice replaces the advice for training, if something else ran */
  constructor(
    readonly reason: string,
    advice = 'The last checkpoint is kept; start again from it, with a smaller batch_size if it happens again.',
  ) {
    super(`The GPU was lost while the network ran (${reason}). ${advice}`);
  }
}

/** Rejects the calls that were pending when the engine was closed, and all later calls. */
export class EngineClosedError extends Error {
  override name = 'EngineClosedError';
  constructor() {
    super('The engine was closed, so its unfinished work has no result. Create a new executor to continue.');
  }
}

export class BatchTooLargeError extends Error {
  override name = 'BatchTooLargeError';
  /** @param largest the largest batch that fits, 0 if none does */
  constructor(
    batchSize: number,
    readonly largest: number,
    reason: string,
  ) {
    super(
      largest > 0
        ? `A batch of ${batchSize} does not fit this GPU: ${reason}. The largest batch_size that fits is ${largest}.`
        : `Not even a batch of two images fits this GPU: ${reason}. Choose a smaller image_size, or the executor tfjs.`,
    );
  }
}

export class WrongBatchError extends Error {
  override name = 'WrongBatchError';
  constructor(count: number, batchSize: number, training: boolean) {
    super(
      training
        ? `A training step of ${count} images was asked of an engine made for batches of ${batchSize}: batch statistics need a full batch.`
        : `${count} images were given to an engine made for at most ${batchSize} at a time.`,
    );
  }
}

export function formatMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

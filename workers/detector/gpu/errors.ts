/** GPU errors with advice for face detection, and errors that only occur there. */
import { DeviceLostError, formatMegabytes, GpuError, GpuOutOfMemoryError } from '../../gpu/errors.ts';

export class PhotoTooLargeError extends Error {
  override name = 'PhotoTooLargeError';
  constructor(width: number, height: number, bytes: number, limit: number) {
    super(
      `A photo of ${width} × ${height} pixels needs a buffer of ${formatMegabytes(bytes)}, but this GPU allows at most ${formatMegabytes(limit)}. Make the photo smaller, look for larger faces only (minsize), or choose the backend wasm.`,
    );
  }
}

/** @returns the error to show to a person who aligns photos */
export function detectionError(error: unknown): unknown {
  if (error instanceof DeviceLostError)
    return new DeviceLostError(
      error.reason,
      'The faces written so far are kept. Start again to continue with the others. If it happens again, choose the backend wasm.',
    );
  if (error instanceof GpuOutOfMemoryError)
    return new GpuOutOfMemoryError(
      error.bytes,
      error.detail,
      'Close other pages that use the GPU, or choose the backend wasm.',
    );
  if (error instanceof GpuError)
    return new GpuError(error.kernel, error.detail, 'Choose the backend wasm to find faces without the GPU.');
  return error;
}

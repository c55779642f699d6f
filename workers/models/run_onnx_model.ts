/**
 * Runs an exported ONNX file as any user of it would: with onnxruntime-web, on WebAssembly. Nothing of this program's own
 * readers or network description is used. In a browser it runs in a worker of its own, which is ended afterwards:
 * WebAssembly gives memory back in no other way. Where there are no workers (Node) it runs here.
 */
import type { OnnxWorkerApi } from '../onnx.worker.ts';
import { canStartWorkers, WorkerClient, WorkerFailedError } from '../rpc/worker_client.ts';

/** A batch of images as the file's input `input` takes them. */
export interface OnnxInput {
  readonly values: Float32Array;
  /** [count, size, size, 3] or [count, 3, size, size] */
  readonly shape: readonly number[];
}

/** onnxruntime-web does not start here, or has not the memory for the model: nothing is known of the file. */
export class OnnxRuntimeUnavailableError extends Error {
  override name = 'OnnxRuntimeUnavailableError';
}

/** onnxruntime-web refuses the file. */
export class OnnxRunError extends Error {
  override name = 'OnnxRunError';
}

/** What onnxruntime-web and its WebAssembly module say when they do not start, or run out of memory. */
const UNAVAILABLE = /no available backend|bad_alloc|out of memory|failed to allocate|Aborted\(/i;

/**
 * @returns [count, embedding size]
 * @throws OnnxRuntimeUnavailableError, OnnxRunError, and the signal's reason
 */
export async function embedWithOnnxModel(
  file: Blob,
  input: OnnxInput,
  signal?: AbortSignal,
): Promise<Float32Array> {
  signal?.throwIfAborted();
  if (!canStartWorkers()) return runOnnxModel(file, input);
  const client = new WorkerClient<OnnxWorkerApi>(
    'part that runs ONNX files',
    () => new Worker(new URL('../onnx.worker.ts', import.meta.url), { type: 'module' }),
  );
  const onAbort = (): void => client.terminate(signal!.reason as Error);
  signal?.addEventListener('abort', onAbort);
  try {
    return await client.call((api) => api.run(file, input));
  } catch (error) {
    if (error instanceof WorkerFailedError) throw new OnnxRuntimeUnavailableError(error.message);
    // Errors of a worker arrive with their name and message, without their class.
    const { name, message } = error as Error;
    if (name === 'OnnxRuntimeUnavailableError') throw new OnnxRuntimeUnavailableError(message);
    if (name === 'OnnxRunError') throw new OnnxRunError(message);
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    client.terminate();
  }
}

/**
 * @param wasmUrl of onnxruntime-web's module; default: beside its script
 * @throws OnnxRuntimeUnavailableError, OnnxRunError
 */
export async function runOnnxModel(
  file: Blob,
  { values, shape }: OnnxInput,
  wasmUrl?: string,
): Promise<Float32Array> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  try {
    const { env, InferenceSession, Tensor } = await import('onnxruntime-web/wasm');
    if (wasmUrl !== undefined) env.wasm.wasmPaths = { wasm: wasmUrl };
    // Two images take a second; threads would need a script of their own.
    env.wasm.numThreads = 1;
    const session = await InferenceSession.create(bytes, {
      executionProviders: ['wasm'],
      logSeverityLevel: 3,
    });
    const { embeddings } = await session.run({ input: new Tensor('float32', values, shape) });
    if (!(embeddings?.data instanceof Float32Array))
      throw new OnnxRunError('it has no output "embeddings" of float32 values');
    return embeddings.data.slice();
  } catch (error) {
    if (error instanceof OnnxRunError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw UNAVAILABLE.test(message) ? new OnnxRuntimeUnavailableError(message) : new OnnxRunError(message);
  }
}

/**
 * Keras's HDF5 files as named tensors. Each is opened in a worker of its own, which is ended afterwards, whatever the
 * file did to the HDF5 library in it. Where there are no workers (Node) it is opened here.
 */
import type { Remote } from 'comlink';
import { Hdf5Error } from '../formats/hdf5.ts';
import { KerasWeightsFile } from '../formats/keras_weights.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import type { Hdf5WorkerApi } from '../hdf5.worker.ts';
import { canStartWorkers, WorkerClient, WorkerFailedError } from '../rpc/worker_client.ts';
import type { TensorSource } from './tensor_source.ts';

/** The published file, of 92 MB, takes a second. */
const LONGEST_MS = 120_000;

/**
 * @param signal ends the worker, now and in later reading
 * @throws Hdf5Error, and the signal's reason
 */
export async function kerasSource(blob: Blob, name: string, signal?: AbortSignal): Promise<TensorSource> {
  const shapes = canStartWorkers()
    ? await inThrowAwayWorker(name, (api) => api.shapes(blob, name), { signal })
    : (await KerasWeightsFile.open(blob, name, signal)).shapes;
  let all: Promise<Map<string, HostTensor>> | undefined;
  return {
    name,
    kind: 'Keras HDF5 file',
    shapes,
    async read(weight) {
      const tensor = (await (all ??= readAll(blob, name, [...shapes.keys()], signal))).get(weight);
      if (!tensor) throw new Hdf5Error(`${name} has no weights "${weight}".`);
      return tensor;
    },
  };
}

async function readAll(
  blob: Blob,
  name: string,
  weights: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, HostTensor>> {
  if (!canStartWorkers()) return (await KerasWeightsFile.open(blob, name, signal)).readAll(weights, signal);
  return inThrowAwayWorker(name, (api) => api.read(blob, name, weights), { signal });
}

/** @throws Hdf5Error also when the worker dies or takes too long, and the signal's reason */
export async function inThrowAwayWorker<Result>(
  name: string,
  use: (api: Remote<Hdf5WorkerApi>) => Promise<Result>,
  { longestMs = LONGEST_MS, signal }: { longestMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<Result> {
  signal?.throwIfAborted();
  const refuse = (problem: string): Hdf5Error =>
    new Hdf5Error(`${name} cannot be read as an HDF5 file: ${problem}.`);
  const client = new WorkerClient<Hdf5WorkerApi>(
    'worker that reads HDF5 files',
    () => new Worker(new URL('../hdf5.worker.ts', import.meta.url), { type: 'module' }),
  );
  const timer = setTimeout(
    () => client.terminate(refuse(`it keeps its reader busy for more than ${longestMs / 1000} s`)),
    longestMs,
  );
  const onAbort = (): void => client.terminate(signal!.reason as Error);
  signal?.addEventListener('abort', onAbort);
  try {
    return await client.call(use);
  } catch (error) {
    if (error instanceof Hdf5Error) throw error;
    if (error instanceof WorkerFailedError)
      throw refuse(error.cause ? `its reader stopped (${String(error.cause)})` : 'its reader stopped');
    // Errors of a worker arrive with their name and message, without their class.
    const { name: kind, message } = error as Error;
    throw kind === 'Hdf5Error' ? new Hdf5Error(message) : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    client.terminate();
  }
}

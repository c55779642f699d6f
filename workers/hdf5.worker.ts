/**
 * Entry point of a worker that reads one HDF5 file and is ended: a damaged file can stop the HDF5 library in its whole
 * worker, or keep it busy for ever.
 */
import { expose, transfer } from 'comlink';
import { KerasWeightsFile } from './formats/keras_weights.ts';
import type { HostTensor } from './protocol/tensor.ts';

const api = {
  async shapes(blob: Blob, name: string): Promise<ReadonlyMap<string, readonly number[]>> {
    return (await KerasWeightsFile.open(blob, name)).shapes;
  },
  async read(blob: Blob, name: string, weights: readonly string[]): Promise<Map<string, HostTensor>> {
    const tensors = await (await KerasWeightsFile.open(blob, name)).readAll(weights);
    return transfer(
      tensors,
      [...tensors.values()].map(({ data }) => data.buffer as ArrayBuffer),
    );
  },
};

export type Hdf5WorkerApi = typeof api;
expose(api);

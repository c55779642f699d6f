/**
 * The weights in Keras's .h5 files. `save_weights` writes one group per layer, with the layer's name
 * (`Conv2d_1a_3x3/Conv2d_1a_3x3/kernel:0`). `model.save` puts these groups into `model_weights`. Here, the weights
 * have the names of TensorFlow.js, `<layer>/kernel`.
 *
 * Bounds: those of hdf5.ts. The file is kept in memory, and copied each time it is opened. If the library runs in the
 * thread of its caller, reading can be cancelled between two datasets.
 */
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor } from '../protocol/tensor.ts';
import { Hdf5Error, readHdf5, type Hdf5Reader } from './hdf5.ts';
import { quoted } from '../protocol/quoted.ts';

/** The published model has 92 MB. The file is copied into the library's memory. */
const MAXIMUM_FILE_BYTES = 1024 * 1024 * 1024;
/** A limit for compressed data, which may unpack to any size. These networks have 30 million values. */
const MAXIMUM_VALUES = 128 * 1024 * 1024;
const WHOLE_MODEL = 'model_weights/';

export class KerasWeightsFile {
  readonly name: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** The paths in the file by the names here. */
  readonly #paths: ReadonlyMap<string, string>;

  private constructor(
    name: string,
    bytes: Uint8Array<ArrayBuffer>,
    shapes: ReadonlyMap<string, readonly number[]>,
    paths: ReadonlyMap<string, string>,
  ) {
    this.name = name;
    this.#bytes = bytes;
    this.shapes = shapes;
    this.#paths = paths;
  }

  /** @throws Hdf5Error, and the signal's reason */
  static async open(blob: Blob, name: string, signal?: AbortSignal): Promise<KerasWeightsFile> {
    signal?.throwIfAborted();
    if (blob.size > MAXIMUM_FILE_BYTES)
      throw new Hdf5Error(`${name} has ${blob.size} bytes, more than the ${MAXIMUM_FILE_BYTES} allowed.`);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const datasets = await readHdf5(bytes, (file: Hdf5Reader) => file.datasets());
    let values = 0;
    const shapes = new Map<string, readonly number[]>();
    const paths = new Map<string, string>();
    for (const [path, shape] of datasets) {
      const parts = path.replace(/^\//, '').replace(WHOLE_MODEL, '').split('/');
      if (parts.length < 2) continue;
      const weight = `${parts[0]!}/${parts.at(-1)!.replace(/:\d+$/, '')}`;
      values += elementCount(shape);
      if (values > MAXIMUM_VALUES)
        throw new Hdf5Error(`${name} would unpack to more than the ${MAXIMUM_VALUES} values allowed.`);
      // Nested models and optimizer slots may repeat a name. A layer's own weights have it only once.
      if (shapes.has(weight) && [path, paths.get(weight)!].some(isOfLayer))
        throw new Hdf5Error(`${name} has the weights ${quoted(weight)} twice.`);
      shapes.set(weight, shape);
      paths.set(weight, path);
    }
    return new KerasWeightsFile(name, bytes, shapes, paths);
  }

  /** Reads many at once, because each call opens the file. @throws Hdf5Error, and the signal's reason */
  async readAll(names: Iterable<string>, signal?: AbortSignal): Promise<Map<string, HostTensor>> {
    const tensors = await readHdf5(this.#bytes, (file) => {
      const tensors = new Map<string, HostTensor>();
      for (const name of names) {
        if (signal?.aborted) break;
        const shape = this.shapes.get(name);
        if (!shape) throw new Hdf5Error(`${this.name} has no weights ${quoted(name)}.`);
        tensors.set(name, { shape, data: file.floats(this.#paths.get(name)!) });
      }
      return tensors;
    });
    signal?.throwIfAborted();
    return tensors;
  }
}

/** Whether a path is `<layer>/<layer>/<weight>` in the root or in the group of the whole model. */
function isOfLayer(path: string): boolean {
  const parts = path.replace(/^\//, '').replace(WHOLE_MODEL, '').split('/');
  return parts.length === 3 && parts[0] === parts[1];
}

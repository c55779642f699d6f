/** Files that other programs wrote, by their first bytes: what is in them as named tensors. */
import type { ReadableDirectory } from '../protocol/data/directories.ts';
import { isHdf5 } from '../formats/hdf5.ts';
import { PytorchFile } from '../formats/pytorch_file.ts';
import { TensorflowCheckpoint } from '../formats/tensorflow_checkpoint.ts';
import { GraphDefFile } from '../formats/tensorflow_graph_def.ts';
import { NotAModelError } from './errors.ts';
import { kerasSource } from './keras_source.ts';
import { standardizationOfNodes } from './standardization.ts';
import type { TensorSource } from './tensor_source.ts';

export const CHECKPOINT_EXTENSION = '.index';
const SNIFFED_BYTES = 16;

/**
 * @param folder the name of the one it lies in
 * @param signal cancels this, and later reading from the source
 * @returns undefined for what is none of these kinds
 * @throws PytorchFileError, GraphDefError, Hdf5Error, and the signal's reason
 */
export async function foreignSource(
  blob: Blob,
  name: string,
  folder?: string,
  signal?: AbortSignal,
): Promise<TensorSource | undefined> {
  const source = await openSource(blob, name, signal);
  return source && { ...source, folder };
}

async function openSource(
  blob: Blob,
  name: string,
  signal: AbortSignal | undefined,
): Promise<TensorSource | undefined> {
  const head = new Uint8Array(await blob.slice(0, SNIFFED_BYTES).arrayBuffer());
  const isPickle = head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5;
  const isZip = head[0] === 0x50 && head[1] === 0x4b;
  if (isPickle || (isZip && !name.endsWith('.keras'))) return pytorchSource(blob, name, signal);
  if (isHdf5(head)) return kerasSource(blob, name, signal);
  if (name.endsWith('.pb')) return graphDefSource(blob, name, signal);
  if (/\.(data-\d+-of-\d+|meta)$/.test(name))
    throw new NotAModelError(
      name,
      'is one file of a TensorFlow checkpoint: choose its folder or its .index file',
    );
  return undefined;
}

async function pytorchSource(
  blob: Blob,
  name: string,
  signal: AbortSignal | undefined,
): Promise<TensorSource> {
  const file = await PytorchFile.open(blob, name, signal);
  return {
    name,
    kind: 'PyTorch state dict',
    shapes: new Map([...file.tensors].map(([tensor, { shape }]) => [tensor, shape])),
    regionOf: (tensor) => {
      const { storage, offset, shape, strides } = file.tensors.get(tensor)!;
      const last = shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, offset);
      return { storage: storage.key, start: offset, end: last + 1 };
    },
    read: (tensor) => file.read(tensor),
  };
}

async function graphDefSource(
  blob: Blob,
  name: string,
  signal: AbortSignal | undefined,
): Promise<TensorSource> {
  const file = await GraphDefFile.open(blob, name, signal);
  return {
    name,
    kind: 'frozen TensorFlow graph',
    shapes: new Map([...file.constants].map(([constant, { shape }]) => [constant, shape])),
    standardization: standardizationOfNodes(
      file.constants.keys(),
      [...file.constants]
        .filter(([, { shape, dtype }]) => shape.length === 0 && dtype === 'F32')
        .map(([constant]) => file.read(constant).data[0]!),
    ),
    read: async (constant) => file.read(constant),
  };
}

/** @param path of the .index file. @throws CheckpointFileError, and the signal's reason */
export async function checkpointSource(
  directory: ReadableDirectory,
  path: string,
  signal?: AbortSignal,
): Promise<TensorSource> {
  const file = await TensorflowCheckpoint.open(directory, path, signal);
  return {
    name: path,
    kind: 'TensorFlow checkpoint',
    folder: directory.name,
    shapes: new Map([...file.entries].map(([variable, { shape }]) => [variable, shape])),
    regionOf: (variable) => {
      const { shard, offset, sizeBytes } = file.entries.get(variable)!;
      return { storage: String(shard), start: offset, end: offset + sizeBytes };
    },
    read: (variable) => file.read(variable),
  };
}

/**
 * TensorFlow checkpoints, version 2: `<name>.index`, a table of the places of variables, and the values in
 * `<name>.data-00000-of-00001` (tensorflow/core/protobuf/tensor_bundle.proto).
 *
 * Bounds. Reading the index takes time and memory linear in its size (see leveldb_table.ts). Reading a variable takes
 * time linear in its size, and twice its size in memory. All checksums are verified. A signal can cancel reading.
 */
import type { ReadableDirectory } from '../protocol/data/directories.ts';
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor } from '../protocol/tensor.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
import { readTable, TableError } from './leveldb_table.ts';
import { LongWork } from '../common/long_work.ts';
import { bytesOfField, FieldBudget, protobufFields, ProtobufError, sizeOf } from './protobuf_reader.ts';
import { crc32c } from '../common/crc32.ts';
import { masked } from './tensorboard_events.ts';
import { readTensorShape, TENSORFLOW_FORMATS } from './tensorflow_types.ts';
import { quoted } from '../protocol/quoted.ts';

/** An index of these networks has about 30 kB; 100 kB with optimizer slots. */
const MAXIMUM_INDEX_BYTES = 64 * 1024 * 1024;
const MAXIMUM_SHARDS = 1000;
const ENTRIES_BETWEEN_PAUSES = 256;
/** Checksums are computed in parts of this size. */
const PART_BYTES = 1024 * 1024;

export class CheckpointFileError extends Error {
  override name = 'CheckpointFileError';
  constructor(file: string, problem: string) {
    super(
      `${file} cannot be read as a TensorFlow checkpoint: ${problem}. A checkpoint is two files, NAME.index and NAME.data-00000-of-00001, in one folder.`,
    );
  }
}

interface BundleEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Masked CRC-32C of the values. */
  readonly checksum: number;
}

export class TensorflowCheckpoint {
  readonly path: string;
  readonly entries: ReadonlyMap<string, BundleEntry>;
  readonly #shards: readonly Blob[];
  readonly #signal: AbortSignal | undefined;

  private constructor(
    path: string,
    entries: ReadonlyMap<string, BundleEntry>,
    shards: readonly Blob[],
    signal: AbortSignal | undefined,
  ) {
    this.path = path;
    this.entries = entries;
    this.#shards = shards;
    this.#signal = signal;
  }

  /**
   * @param path the path of the .index file in the folder
   * @param signal cancels this, and later reading
   * @throws CheckpointFileError, the folder's error if data is missing, and the signal's reason
   */
  static async open(
    directory: ReadableDirectory,
    path: string,
    signal?: AbortSignal,
  ): Promise<TensorflowCheckpoint> {
    signal?.throwIfAborted();
    const index = await directory.read(path);
    if (index.size > MAXIMUM_INDEX_BYTES)
      throw new CheckpointFileError(path, `its index has ${index.size} bytes`);
    const { entries, shardCount } = await readIndex(
      new Uint8Array(await index.arrayBuffer()),
      path,
      new LongWork(signal),
    );
    const shards: Blob[] = [];
    const five = (value: number): string => String(value).padStart(5, '0');
    for (let shard = 0; shard < shardCount; shard++) {
      signal?.throwIfAborted();
      const name = `${path.replace(/\.index$/, '')}.data-${five(shard)}-of-${five(shardCount)}`;
      if (!(await directory.exists(name)))
        throw new CheckpointFileError(path, `the file ${name} is missing next to it`);
      shards.push(await directory.read(name));
    }
    for (const [name, { shard, offset, sizeBytes }] of entries)
      if (!(offset + sizeBytes <= (shards[shard]?.size ?? -1)))
        throw new CheckpointFileError(path, `${quoted(name)} is outside its data`);
    return new TensorflowCheckpoint(path, entries, shards, signal);
  }

  /** The values as float32. @throws CheckpointFileError */
  async read(name: string): Promise<HostTensor> {
    const entry = this.entries.get(name);
    if (!entry) throw new CheckpointFileError(this.path, `there is no variable ${quoted(name)}`);
    const { dtype, shape, shard, offset, sizeBytes, checksum } = entry;
    const work = new LongWork(this.#signal);
    const buffer = await this.#shards[shard]!.slice(offset, offset + sizeBytes).arrayBuffer();
    const bytes = new Uint8Array(buffer);
    let crc = 0;
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      await work.pause();
      crc = crc32c(bytes.subarray(at, at + PART_BYTES), crc);
    }
    if (masked(crc) !== checksum)
      throw new CheckpointFileError(this.path, `${quoted(name)} is damaged: its checksum is another`);
    return { shape, data: NUMBER_FORMATS.get(dtype)!.toFloat32!(buffer) };
  }
}

/** @throws CheckpointFileError, and the signal's reason */
export async function readIndex(
  bytes: Uint8Array,
  path: string,
  work = new LongWork(),
): Promise<{ entries: Map<string, BundleEntry>; shardCount: number }> {
  try {
    const table = await readTable(bytes, work);
    const header = table.get('');
    if (!header) throw new ProtobufError('its index has no header');
    // BundleHeaderProto: num_shards = 1, endianness = 2 (1: big)
    let shardCount = 1;
    const budget = new FieldBudget();
    for (const field of protobufFields(header, budget)) {
      if (field.number === 1) shardCount = sizeOf(field);
      if (field.number === 2 && sizeOf(field) !== 0) throw new ProtobufError('its numbers are big-endian');
    }
    if (shardCount < 1 || shardCount > MAXIMUM_SHARDS)
      throw new ProtobufError(`its data would be in ${shardCount} files`);
    const entries = new Map<string, BundleEntry>();
    let seen = 0;
    for (const [name, value] of table) {
      if (seen++ % ENTRIES_BETWEEN_PAUSES === 0) await work.pause();
      const entry = name === '' ? undefined : readEntry(value, budget);
      if (entry) entries.set(name, entry);
    }
    return { entries, shardCount };
  } catch (error) {
    throw error instanceof TableError || error instanceof ProtobufError
      ? new CheckpointFileError(path, error.message)
      : error;
  }
}

/**
 * BundleEntryProto: dtype = 1, shape = 2, shard_id = 3, offset = 4, size = 5, crc32c = 6, slices = 7.
 * @returns undefined if the entry has no numbers, or if the variable is stored in slices
 */
function readEntry(message: Uint8Array, budget: FieldBudget): BundleEntry | undefined {
  let type = 0;
  let shape: number[] = [];
  let shard = 0;
  let offset = 0;
  let sizeBytes = 0;
  // As in TensorFlow, a missing checksum is zero, and is checked all the same.
  let checksum = 0;
  for (const field of protobufFields(message, budget)) {
    if (field.number === 1) type = sizeOf(field);
    else if (field.number === 2) shape = readTensorShape(bytesOfField(field), budget);
    else if (field.number === 3) shard = sizeOf(field);
    else if (field.number === 4) offset = sizeOf(field);
    else if (field.number === 5) sizeBytes = sizeOf(field);
    else if (field.number === 6 && field.wire === 'fixed32') checksum = littleEndian(field.value);
    else if (field.number === 7) return undefined;
  }
  const dtype = TENSORFLOW_FORMATS.get(type);
  if (dtype === undefined) return undefined;
  if (sizeBytes !== elementCount(shape) * NUMBER_FORMATS.get(dtype)!.bytes)
    throw new ProtobufError('a variable does not fit its shape');
  return { dtype, shape, shard, offset, sizeBytes, checksum };
}

function littleEndian(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

/**
 * Safetensors: named tensors in one file, which can be read without trusting it.
 * https://github.com/huggingface/safetensors#format
 *
 * A file consists of the length of the header (u64, little-endian), the header (JSON: name → dtype, shape and
 * data_offsets, and `__metadata__` with strings), and the values of the tensors without gaps, row-major,
 * little-endian. The header is checked before it is used. Values are read one tensor at a time, so a large file is
 * never completely in memory.
 *
 * Bounds. Opening takes time and memory linear in the header, which has at most 16 MiB and a million values (see
 * bounded_json.ts). No two tensors share bytes. Reading a tensor takes linear time, and memory for its bytes and its
 * values as float32, which take at most four times the bytes. A signal can cancel opening and reading.
 */
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor, type NamedTensors } from '../protocol/tensor.ts';
import { JsonError, parseBoundedJson } from '../common/bounded_json.ts';
import { NUMBER_FORMATS, toFloat16 } from './float_formats.ts';
import { findDuplicateKey } from '../common/json_keys.ts';
import { quoted } from '../protocol/quoted.ts';

/** The specification allows 100 MB. A header of this program's models has about 60 kB. */
const MAXIMUM_HEADER_BYTES = 16 * 1024 * 1024;
const MAXIMUM_HEADER_VALUES = 1_000_000;
/** PyTorch and NumPy allow at least this many. */
const MAXIMUM_AXES = 32;
const LENGTH_BYTES = 8;
const METADATA_KEY = '__metadata__';

export class SafetensorsError extends Error {
  override name = 'SafetensorsError';
  constructor(fileName: string, problem: string) {
    super(
      `${fileName} is not a complete safetensors file: ${problem}. It may be damaged or cut off. Copy or export it again.`,
    );
  }
}

export interface SafetensorsEntry {
  readonly name: string;
  /** The name of the type in the file: `F32`, `BF16`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Offset of the values from the start of the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export type SafetensorsMetadata = Readonly<Record<string, string>>;

/** The type in which an export stores weights. */
export type WeightFormat = 'float32' | 'float16';

/**
 * Whether a tensor is stored in half precision, if that is requested: only tensors with at least two axes. Biases and
 * moving statistics are small, and a variance may be too small or too large for float16.
 */
export function isStoredAsFloat16(shape: readonly number[], weightFormat: WeightFormat): boolean {
  return weightFormat === 'float16' && shape.length > 1;
}

/**
 * The bytes of the file in pieces, in order. The pieces use the memory of the tensors; only float16 is copied. Tensors
 * are written in the given order, as F32 or F16 (see isStoredAsFloat16).
 * @throws Float16RangeError
 */
export function safetensorsParts(
  tensors: NamedTensors,
  metadata: SafetensorsMetadata = {},
  weightFormat: WeightFormat = 'float32',
): Uint8Array<ArrayBuffer>[] {
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push([METADATA_KEY, metadata]);
  const values: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === METADATA_KEY || elementCount(shape) !== data.length)
      throw new Error(`${name} with the shape [${shape.join(', ')}] cannot be written as a tensor.`);
    const isHalf = isStoredAsFloat16(shape, weightFormat);
    const bytes = isHalf ? new Uint8Array(toFloat16(data, name).buffer) : bytesOf(data);
    header.push([
      name,
      { dtype: isHalf ? 'F16' : 'F32', shape, data_offsets: [offset, offset + bytes.length] },
    ]);
    values.push(bytes);
    offset += bytes.length;
  }
  // Object.fromEntries would drop the name `__proto__`, and put numeric names first.
  const json = `{${header.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  // Spaces at the end, so that the values begin at a multiple of eight bytes.
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const head = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerBytes), true);
  head.set(text, LENGTH_BYTES);
  return [head, ...values];
}

export function safetensorsBlob(
  tensors: NamedTensors,
  metadata: SafetensorsMetadata = {},
  weightFormat: WeightFormat = 'float32',
): Blob {
  return new Blob(safetensorsParts(tensors, metadata, weightFormat), { type: 'application/octet-stream' });
}

/** A view; or a copy if the memory is shared between threads, because a Blob cannot be made from shared memory. */
export function bytesOf(data: Float32Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = data;
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, byteOffset, byteLength)
    : new Uint8Array(data.slice().buffer as ArrayBuffer);
}

/** An opened file with a checked header. Its tensors are read on demand. */
export class SafetensorsFile {
  readonly name: string;
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #blob: Blob;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    name: string,
    blob: Blob,
    entries: ReadonlyMap<string, SafetensorsEntry>,
    metadata: ReadonlyMap<string, string>,
    signal: AbortSignal | undefined,
  ) {
    this.name = name;
    this.#blob = blob;
    this.#signal = signal;
    this.entries = entries;
    this.metadata = metadata;
  }

  /**
   * Reads and checks the header.
   * @param name the name of the file, for messages
   * @param signal cancels this, and later reading
   * @throws SafetensorsError, and the signal's reason
   */
  static async open(blob: Blob, name: string, signal?: AbortSignal): Promise<SafetensorsFile> {
    signal?.throwIfAborted();
    const headerBytes = await readHeaderLength(blob, name);
    const text = await readHeaderText(blob, name, headerBytes);
    const header = parseHeader(text, name);
    const dataOffset = LENGTH_BYTES + headerBytes;
    const metadata = readMetadata(header, name);
    const entries = Object.entries(header)
      .filter(([key]) => key !== METADATA_KEY)
      .map(([key, value]) => readEntry(key, value, dataOffset, name));
    checkLayout(entries, dataOffset, blob.size, name);
    const byName = new Map(entries.map((entry) => [entry.name, entry]));
    return new SafetensorsFile(name, blob, byName, metadata, signal);
  }

  /**
   * The values as float32, whatever the stored type is.
   * @throws SafetensorsError for a missing name, or a number format that cannot be read
   */
  async read(name: string): Promise<HostTensor> {
    const entry = this.entries.get(name);
    if (!entry) throw new SafetensorsError(this.name, `there is no tensor ${quoted(name)}`);
    const { toFloat32 } = NUMBER_FORMATS.get(entry.dtype)!;
    if (!toFloat32)
      throw new SafetensorsError(
        this.name,
        `${quoted(name)} is stored as ${entry.dtype}, which this program cannot read`,
      );
    this.#signal?.throwIfAborted();
    const buffer = await this.#blob.slice(entry.offset, entry.offset + entry.sizeBytes).arrayBuffer();
    if (buffer.byteLength !== entry.sizeBytes)
      throw new SafetensorsError(this.name, `${quoted(name)} could not be read to its end`);
    return { shape: entry.shape, data: toFloat32(buffer) };
  }
}

async function readHeaderLength(blob: Blob, fileName: string): Promise<number> {
  const available = blob.size - LENGTH_BYTES;
  if (available < 2) throw new SafetensorsError(fileName, `it has only ${blob.size} bytes`);
  const bytes = await blob.slice(0, LENGTH_BYTES).arrayBuffer();
  const length = new DataView(bytes).getBigUint64(0, true);
  if (length > BigInt(available))
    throw new SafetensorsError(fileName, `its header would end after the end of the file`);
  if (length < 2n || length > BigInt(MAXIMUM_HEADER_BYTES))
    throw new SafetensorsError(fileName, `its header would have ${length} bytes`);
  return Number(length);
}

async function readHeaderText(blob: Blob, fileName: string, headerBytes: number): Promise<string> {
  const bytes = await blob.slice(LENGTH_BYTES, LENGTH_BYTES + headerBytes).arrayBuffer();
  // Also refuses a byte order mark, which TextDecoder would swallow.
  if (new Uint8Array(bytes)[0] !== 0x7b)
    throw new SafetensorsError(fileName, 'its header is not a JSON object');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SafetensorsError(fileName, 'its header is no UTF-8 text');
  }
}

function parseHeader(text: string, fileName: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = parseBoundedJson(text, MAXIMUM_HEADER_VALUES);
  } catch (error) {
    throw error instanceof JsonError ? new SafetensorsError(fileName, `its header ${error.message}`) : error;
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined)
    throw new SafetensorsError(fileName, `its header has ${quoted(duplicate)} twice`);
  // It begins with a brace, so it is an object.
  return header as Record<string, unknown>;
}

function readMetadata(header: Record<string, unknown>, fileName: string): Map<string, string> {
  if (!Object.hasOwn(header, METADATA_KEY)) return new Map();
  const metadata = header[METADATA_KEY];
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== 'string'))
    throw new SafetensorsError(fileName, 'its metadata is not a collection of texts');
  return new Map(Object.entries(metadata as Record<string, string>));
}

function readEntry(name: string, value: unknown, dataOffset: number, fileName: string): SafetensorsEntry {
  const fail = (problem: string): never => {
    throw new SafetensorsError(fileName, `the tensor ${quoted(name)} ${problem}`);
  };
  if (!isObject(value)) return fail('has no description');
  const { dtype, shape, data_offsets: offsets } = value;
  const format = typeof dtype === 'string' ? NUMBER_FORMATS.get(dtype) : undefined;
  if (!format) return fail(`has the unknown number format ${quoted(String(JSON.stringify(dtype)))}`);
  if (!isSizes(shape) || shape.length > MAXIMUM_AXES) return fail('has no valid shape');
  if (!isSizes(offsets) || offsets.length !== 2) return fail('has no valid data_offsets');
  const [begin, end] = offsets as [number, number];
  const sizeBytes = elementCount(shape) * format.bytes;
  if (!Number.isSafeInteger(sizeBytes) || end - begin !== sizeBytes)
    return fail(`of the shape [${shape.slice(0, 8).join(', ')}] does not fit its ${end - begin} bytes`);
  return { name, dtype: dtype as string, shape, offset: dataOffset + begin, sizeBytes };
}

/** Checks that every byte after the header belongs to exactly one tensor. */
function checkLayout(
  entries: readonly SafetensorsEntry[],
  dataOffset: number,
  fileSize: number,
  fileName: string,
): void {
  const inOrder = [...entries].sort((a, b) => a.offset - b.offset || a.sizeBytes - b.sizeBytes);
  let at = dataOffset;
  for (const { name, offset, sizeBytes } of inOrder) {
    if (offset < at)
      throw new SafetensorsError(fileName, `the tensor ${quoted(name)} overlaps with another one`);
    if (offset > at)
      throw new SafetensorsError(fileName, `there is a hole before the tensor ${quoted(name)}`);
    at += sizeBytes;
    if (at > fileSize)
      throw new SafetensorsError(fileName, `the tensor ${quoted(name)} would end after the end of the file`);
  }
  if (at !== fileSize)
    throw new SafetensorsError(fileName, `${fileSize - at} bytes at its end belong to no tensor`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * LevelDB tables, the format of TensorFlow's checkpoint index: blocks of sorted keys with shared prefixes, an index
 * block over them, and a footer. https://github.com/google/leveldb/blob/main/doc/table_format.md TensorFlow writes the
 * index without compression; compressed blocks are refused.
 *
 * Bounds. Each block is read once, after its checksum has been verified. Blocks must follow each other, and keys must
 * be in ascending order. A key has at most 1,024 bytes, and all keys together at most 8 times the size of the table.
 * There are at most 100,000 keys. So time and memory are linear in the table. Reading can be cancelled between two
 * blocks.
 */
import { LongWork } from '../common/long_work.ts';
import { maskedCrc32c } from './tensorboard_events.ts';

export class TableError extends Error {
  override name = 'TableError';
}

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
/** The last eight bytes, as two little-endian halves of 0xdb4775248b80fb57. */
const MAGIC = [0x8b80fb57, 0xdb477524] as const;
/** A checkpoint of these networks, with all optimizer slots, has about 2,000. */
const MAXIMUM_ENTRIES = 100_000;
const MAXIMUM_KEY_BYTES = 1024;
/** A key shares a prefix with the key before it, so all complete keys may be longer than the table. */
const KEY_BYTES_PER_BYTE = 8;

/** Reads all entries. Values are views of the table. @throws TableError, and the signal's reason */
export async function readTable(bytes: Uint8Array, work = new LongWork()): Promise<Map<string, Uint8Array>> {
  if (bytes.length < FOOTER_BYTES) throw new TableError('it is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magicAt = bytes.length - 8;
  if (view.getUint32(magicAt, true) !== MAGIC[0] || view.getUint32(magicAt + 4, true) !== MAGIC[1])
    throw new TableError('its last bytes are not those of a table');
  const footer = new Cursor(bytes.subarray(-FOOTER_BYTES));
  footer.varint();
  footer.varint();
  const budget = { entries: MAXIMUM_ENTRIES, keyBytes: KEY_BYTES_PER_BYTE * bytes.length };
  const index = readBlock(bytes, footer.varint(), footer.varint(), budget);
  const entries = new Map<string, Uint8Array>();
  const decoder = new TextDecoder();
  let end = 0;
  let lastKey = NO_KEY;
  for (const { value: handle } of index) {
    await work.pause();
    const cursor = new Cursor(handle);
    const offset = cursor.varint();
    const sizeBytes = cursor.varint();
    if (offset < end) throw new TableError('a block overlaps with the one before it');
    end = offset + sizeBytes + TRAILER_BYTES;
    for (const { key, value } of readBlock(bytes, offset, sizeBytes, budget)) {
      if (lastKey !== NO_KEY && compareBytes(lastKey, key) >= 0)
        throw new TableError('its keys are not in ascending order');
      lastKey = key;
      const name = decoder.decode(key);
      if (entries.has(name)) throw new TableError('it has one name twice');
      entries.set(name, value);
    }
  }
  return entries;
}

const NO_KEY: Uint8Array = new Uint8Array();

/** What may still be read of one table, over all its blocks. */
interface TableBudget {
  entries: number;
  keyBytes: number;
}

interface TableEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}

/**
 * A block has entries (lengths: shared, not shared, value; rest of the key; value), then restart points and their
 * number.
 */
function readBlock(bytes: Uint8Array, offset: number, size: number, budget: TableBudget): TableEntry[] {
  if (offset + size + TRAILER_BYTES > bytes.length - FOOTER_BYTES || size < 4)
    throw new TableError('a block is outside the file');
  if (bytes[offset + size] !== 0) throw new TableError('a block is compressed');
  const block = bytes.subarray(offset, offset + size);
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + offset + size, TRAILER_BYTES);
  if (trailer.getUint32(1, true) !== maskedCrc32c(bytes.subarray(offset, offset + size + 1)))
    throw new TableError('a block is damaged (wrong checksum)');
  const restarts = new DataView(block.buffer, block.byteOffset + size - 4, 4).getUint32(0, true);
  const entriesEnd = size - 4 - 4 * restarts;
  if (entriesEnd < 0) throw new TableError('a block has too many restart points');
  const cursor = new Cursor(block.subarray(0, entriesEnd));
  const entries: TableEntry[] = [];
  let key = NO_KEY;
  while (!cursor.isAtEnd) {
    const shared = cursor.varint();
    const rest = cursor.varint();
    const valueLength = cursor.varint();
    if (shared > key.length) throw new TableError('a key shares more than there is');
    const keyBytes = shared + cursor.check(rest);
    budget.keyBytes -= keyBytes;
    if (keyBytes > MAXIMUM_KEY_BYTES || budget.keyBytes < 0) throw new TableError('its keys are too long');
    if (--budget.entries < 0) throw new TableError('it has too many entries');
    const next = new Uint8Array(keyBytes);
    next.set(key.subarray(0, shared));
    next.set(cursor.take(rest), shared);
    key = next;
    entries.push({ key, value: cursor.take(valueLength) });
  }
  return entries;
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new TableError('it ends within a number');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new TableError('a number is too large');
  }

  /** Checks that `length` bytes are left. */
  check(length: number): number {
    if (this.#at + length > this.#bytes.length) throw new TableError('an entry ends after its block');
    return length;
  }

  take(length: number): Uint8Array {
    const start = this.#at;
    this.#at += this.check(length);
    return this.#bytes.subarray(start, start + length);
  }
}

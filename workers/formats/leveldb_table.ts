/**
 * Tables of LevelDB, as TensorFlow's checkpoint index is one: blocks of sorted keys with shared prefixes, an index
 * block over them, and a footer. https://github.com/google/leveldb/blob/main/doc/table_format.md
 * TensorFlow writes the index without compression; compressed blocks are refused.
 */
import { maskedCrc32c } from './tensorboard_events.ts';

export class TableError extends Error {
  override name = 'TableError';
}

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
/** The last eight bytes, as two little-endian halves of 0xdb4775248b80fb57. */
const MAGIC = [0x8b80fb57, 0xdb477524] as const;
const MAXIMUM_ENTRIES = 1_000_000;

/** All entries; values are views of the table. @throws TableError */
export function readTable(bytes: Uint8Array): Map<string, Uint8Array> {
  if (bytes.length < FOOTER_BYTES) throw new TableError('it is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length;
  if (view.getUint32(end - 8, true) !== MAGIC[0] || view.getUint32(end - 4, true) !== MAGIC[1])
    throw new TableError('its last bytes are not those of a table');
  const footer = new Cursor(bytes.subarray(end - FOOTER_BYTES));
  footer.varint();
  footer.varint();
  const index = readBlock(bytes, footer.varint(), footer.varint());
  const entries = new Map<string, Uint8Array>();
  for (const [, handle] of index) {
    const cursor = new Cursor(handle);
    for (const [key, value] of readBlock(bytes, cursor.varint(), cursor.varint())) entries.set(key, value);
    if (entries.size > MAXIMUM_ENTRIES) throw new TableError('it has too many entries');
  }
  return entries;
}

/** Entries (shared, not shared and value length, rest of the key, value), then restart points and their number. */
function readBlock(bytes: Uint8Array, offset: number, size: number): [string, Uint8Array][] {
  if (offset + size + TRAILER_BYTES > bytes.length - FOOTER_BYTES + TRAILER_BYTES || size < 4)
    throw new TableError('a block lies outside of it');
  if (bytes[offset + size] !== 0) throw new TableError('a block is compressed');
  const block = bytes.subarray(offset, offset + size);
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + offset + size, TRAILER_BYTES);
  if (trailer.getUint32(1, true) !== maskedCrc32c(bytes.subarray(offset, offset + size + 1)))
    throw new TableError('a block is damaged: its checksum is another');
  const restarts = new DataView(block.buffer, block.byteOffset + size - 4, 4).getUint32(0, true);
  const entriesEnd = size - 4 - 4 * restarts;
  if (entriesEnd < 0) throw new TableError('a block has too many restart points');
  const cursor = new Cursor(block.subarray(0, entriesEnd));
  const entries: [string, Uint8Array][] = [];
  let key = new Uint8Array();
  while (!cursor.isAtEnd) {
    const shared = cursor.varint();
    const rest = cursor.varint();
    const valueLength = cursor.varint();
    if (shared > key.length) throw new TableError('a key shares more than there is');
    const next = new Uint8Array(shared + cursor.check(rest));
    next.set(key.subarray(0, shared));
    next.set(cursor.take(rest), shared);
    key = next;
    entries.push([new TextDecoder().decode(key), cursor.take(valueLength)]);
    if (entries.length > MAXIMUM_ENTRIES) throw new TableError('it has too many entries');
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

  /** That so many bytes are left. */
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

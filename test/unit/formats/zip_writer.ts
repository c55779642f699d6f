/** Writes invalid zip archives: each field of an entry and of the end record can be wrong. */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../../workers/common/crc32.ts';

export interface WrittenEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly isDeflated?: boolean;
  readonly flags?: number;
  /** Values in the central directory; default: the correct ones. */
  readonly listed?: Partial<Record<'checksum' | 'sizeBytes' | 'compressedBytes' | 'offset', number>>;
  /** Values in the local header; default: the correct ones. */
  readonly local?: Partial<Record<'checksum' | 'sizeBytes' | 'compressedBytes' | 'method', number>> & {
    readonly name?: string;
  };
}

/** @param entryCount the number in the end record, instead of the correct one */
export function writeZip(
  entries: readonly WrittenEntry[],
  entryCount = entries.length,
): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, isDeflated = false, flags = 0, listed = {}, local = {} } of entries) {
    const packed = isDeflated ? deflateRawSync(content) : Buffer.from(content);
    const truth = {
      checksum: crc32(content),
      sizeBytes: content.length,
      compressedBytes: packed.length,
      method: isDeflated ? 8 : 0,
    };
    const header = Buffer.alloc(30);
    const inHeader = { ...truth, name, ...local };
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(flags, 6);
    header.writeUInt16LE(inHeader.method, 8);
    header.writeUInt32LE(inHeader.checksum, 14);
    header.writeUInt32LE(inHeader.compressedBytes, 18);
    header.writeUInt32LE(inHeader.sizeBytes, 22);
    header.writeUInt16LE(Buffer.byteLength(inHeader.name), 26);
    parts.push(header, Buffer.from(inHeader.name), packed);
    const entry = Buffer.alloc(46);
    const inList = { ...truth, offset, ...listed };
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(inList.method, 10);
    entry.writeUInt32LE(inList.checksum, 16);
    entry.writeUInt32LE(inList.compressedBytes, 20);
    entry.writeUInt32LE(inList.sizeBytes, 24);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt32LE(inList.offset, 42);
    directory.push(entry, Buffer.from(name));
    offset += header.length + Buffer.byteLength(inHeader.name) + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entryCount, 8);
  end.writeUInt16LE(entryCount, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Uint8Array.from(Buffer.concat([...parts, ...directory, end]));
}

/**
 * Reads untrusted zip archives by their central directory (PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3): stored and
 * deflated entries, Zip64. Entries are unpacked on demand. Archives that two programs could read differently are
 * refused: a directory with a wrong number of entries, headers that contradict it, or overlapping entries. The CRC-32
 * of each entry is verified.
 *
 * Bounds. Opening takes time and memory linear in the directory, which has at most 16 MiB and 65,536 entries. Reading
 * an entry takes time linear in its packed and unpacked size, and memory for its content. Entries do not overlap, and
 * all of them unpack to at most 32 times the size of the archive plus 16 MiB. A signal can cancel reading.
 */
import { crc32 } from '../common/crc32.ts';
import { LongWork } from '../common/long_work.ts';
import { unpackingLimitBytes } from './unpacking_limit.ts';
import { quoted } from '../protocol/quoted.ts';

const MAXIMUM_ENTRIES = 65_536;
const MAXIMUM_DIRECTORY_BYTES = 16 * 1024 * 1024;
const END_BYTES = 22;
const MAXIMUM_COMMENT_BYTES = 65_535;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_RECORD_BYTES = 56;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
/** A 16-bit (`ELSEWHERE_32`: 32-bit) field has this value if the real value is in a Zip64 record. */
const ELSEWHERE_16 = 0xffff;
const ELSEWHERE_32 = 0xffffffff;
/** General purpose bits 0 (encrypted), 6 (strong encryption) and 13 (masked headers). */
const ENCRYPTION_FLAGS = 0x2041;
/** Bit 3: the checksum and sizes of the local header are after the content. */
const DESCRIPTOR_FLAG = 0x0008;
/** Checksums of stored entries are computed in parts of this size. */
const PART_BYTES = 1024 * 1024;

export class ZipError extends Error {
  override name = 'ZipError';
  readonly problem: string;
  constructor(file: string, problem: string, advice = 'It may be cut off or damaged; copy it again') {
    super(`${file} cannot be read as a zip archive: ${problem}. ${advice}.`);
    this.problem = problem;
  }
}

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  /** General purpose bit flags. */
  readonly flags: number;
  /** CRC-32 of the content. */
  readonly checksum: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  /** The offset of the entry's local header from the start of the file. */
  readonly offset: number;
  /** The offset of the next entry, or of the directory. */
  readonly end: number;
}

type DirectoryEntry = Omit<ZipEntry, 'end'> & { readonly nameBytes: number };

interface DirectoryPlace {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly entryCount: number;
}

export class ZipFile {
  readonly name: string;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #blob: Blob;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    name: string,
    blob: Blob,
    entries: ReadonlyMap<string, ZipEntry>,
    signal: AbortSignal | undefined,
  ) {
    this.name = name;
    this.#blob = blob;
    this.entries = entries;
    this.#signal = signal;
  }

  /**
   * @param signal cancels this, and later reading
   * @throws ZipError, and the signal's reason
   */
  static async open(blob: Blob, name: string, signal?: AbortSignal): Promise<ZipFile> {
    signal?.throwIfAborted();
    const place = await findDirectory(blob, name);
    const view = await viewOf(blob, place.offset, place.offset + place.sizeBytes);
    const listed = new Map<string, DirectoryEntry>();
    let at = 0;
    while (at < view.byteLength) {
      if (at + DIRECTORY_ENTRY_BYTES > view.byteLength || view.getUint32(at, true) !== 0x02014b50)
        throw new ZipError(name, 'its list of files is damaged');
      const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
        view.getUint16(at + field, true),
      ) as [number, number, number];
      const end = at + DIRECTORY_ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
      if (end > view.byteLength) throw new ZipError(name, 'its list of files ends within an entry');
      const entry = readEntry(view, at, nameBytes, extraBytes);
      if (listed.has(entry.name)) throw new ZipError(name, `it has the file ${quoted(entry.name)} twice`);
      listed.set(entry.name, entry);
      at = end;
    }
    if (listed.size !== place.entryCount)
      throw new ZipError(name, `it lists ${listed.size} files, but says that it has ${place.entryCount}`);
    checkUnpackedSize(listed.values(), blob.size, name);
    return new ZipFile(name, blob, placeEntries(listed, place.offset, name), signal);
  }

  /** The content of an entry; a stored entry is not copied. @throws ZipError like `read` */
  async open(name: string, limitBytes: number): Promise<Blob> {
    const entry = this.#checkedEntry(name, limitBytes);
    if (entry.method !== STORED) return new Blob([await this.read(name, limitBytes)]);
    const content = await this.#packedContent(entry);
    const work = new LongWork(this.#signal);
    let checksum = 0;
    for (let at = 0; at < content.size; at += PART_BYTES) {
      checksum = crc32(new Uint8Array(await content.slice(at, at + PART_BYTES).arrayBuffer()), checksum);
      await work.pause();
    }
    this.#compareChecksum(entry, checksum);
    return content;
  }

  /**
   * The content of an entry.
   * @param limitBytes larger content is refused, whatever size the archive states
   * @throws ZipError, and the signal's reason
   */
  async read(name: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.#checkedEntry(name, limitBytes);
    const content = await this.#packedContent(entry);
    const work = new LongWork(this.#signal);
    if (entry.method === STORED) {
      const bytes = new Uint8Array(await content.arrayBuffer());
      this.#compareChecksum(entry, crc32(bytes));
      return bytes;
    }
    const result = new Uint8Array(entry.sizeBytes);
    let length = 0;
    let checksum = 0;
    const reader = content.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
    try {
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
        const part = value as Uint8Array;
        if (length + part.length > result.length)
          throw this.#problem(entry, 'unpacks to more than its list says');
        result.set(part, length);
        length += part.length;
        checksum = crc32(part, checksum);
        await work.pause();
      }
    } catch (error) {
      await reader.cancel().catch(() => undefined);
      throw error instanceof ZipError || this.#signal?.aborted ? error : this.#problem(entry, 'is damaged');
    }
    if (length !== result.length) throw this.#problem(entry, 'unpacks to less than its list says');
    this.#compareChecksum(entry, checksum);
    return result;
  }

  #checkedEntry(name: string, limitBytes: number): ZipEntry {
    const entry = this.entries.get(name);
    if (!entry) throw new ZipError(this.name, `${quoted(name)} is not in it`);
    const { flags, method, sizeBytes } = entry;
    if ((flags & ENCRYPTION_FLAGS) !== 0)
      throw new ZipError(
        this.name,
        `${quoted(name)} is encrypted`,
        'Unpack the archive with its password and use its contents',
      );
    if (method !== STORED && method !== DEFLATED)
      throw new ZipError(
        this.name,
        `${quoted(name)} is compressed by the unknown method ${method}`,
        'Unpack the archive and use its contents',
      );
    if (sizeBytes > limitBytes)
      throw this.#problem(
        entry,
        `would have ${sizeBytes} bytes, more than the ${limitBytes} that are allowed`,
      );
    return entry;
  }

  /** The packed content, after checking that the local header agrees with the directory. */
  async #packedContent(entry: ZipEntry): Promise<Blob> {
    const { name, offset, end, compressedBytes } = entry;
    const header = await viewOf(this.#blob, offset, Math.min(offset + LOCAL_HEADER_BYTES, end));
    if (header.byteLength < LOCAL_HEADER_BYTES || header.getUint32(0, true) !== 0x04034b50)
      throw this.#problem(entry, 'does not begin where the list says');
    const nameStart = offset + LOCAL_HEADER_BYTES;
    const nameEnd = nameStart + header.getUint16(26, true);
    const start = nameEnd + header.getUint16(28, true);
    if (start + compressedBytes > end) throw this.#problem(entry, 'reaches into what comes after it');
    const localName = new TextDecoder().decode(await this.#blob.slice(nameStart, nameEnd).arrayBuffer());
    const flags = header.getUint16(6, true);
    const isBehind = (flags & DESCRIPTOR_FLAG) !== 0;
    const agrees = (field: number, expected: number): boolean => {
      const value = header.getUint32(field, true);
      return value === expected || (isBehind && value === 0) || (field !== 14 && value === ELSEWHERE_32);
    };
    if (
      localName !== name ||
      (flags & ENCRYPTION_FLAGS) !== 0 ||
      header.getUint16(8, true) !== entry.method ||
      !agrees(14, entry.checksum) ||
      !agrees(18, compressedBytes) ||
      !agrees(22, entry.sizeBytes)
    )
      throw this.#problem(entry, 'has a header that contradicts the list of files');
    return this.#blob.slice(start, start + compressedBytes);
  }

  #compareChecksum(entry: ZipEntry, checksum: number): void {
    if (checksum !== entry.checksum) throw this.#problem(entry, 'is damaged: its checksum is another');
  }

  #problem(entry: ZipEntry, problem: string): ZipError {
    return new ZipError(this.name, `${quoted(entry.name)} ${problem}`);
  }
}

async function viewOf(blob: Blob, start: number, end: number): Promise<DataView> {
  return new DataView(await blob.slice(start, end).arrayBuffer());
}

/** @throws ZipError unless the directory is before the records at the end, and has an acceptable size */
async function findDirectory(blob: Blob, name: string): Promise<DirectoryPlace> {
  const tailBytes = END_BYTES + MAXIMUM_COMMENT_BYTES + ZIP64_LOCATOR_BYTES;
  const tailStart = Math.max(blob.size - tailBytes, 0);
  const tail = await viewOf(blob, tailStart, blob.size);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && !isEndRecord(tail, at)) at--;
  if (at < 0) throw new ZipError(name, 'it has no list of files at its end');
  const stated: DirectoryPlace = {
    entryCount: tail.getUint16(at + 10, true),
    sizeBytes: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  if ([4, 6].some((field) => ![0, ELSEWHERE_16].includes(tail.getUint16(at + field, true))))
    throw new ZipError(name, 'it is one part of an archive of several', 'Join the parts first');
  const locatorAt = at - ZIP64_LOCATOR_BYTES;
  const isZip64 = locatorAt >= 0 && tail.getUint32(locatorAt, true) === 0x07064b50;
  const found = isZip64 ? await readZip64Record(blob, tail, locatorAt, stated, name) : stated;
  const recordsAt = isZip64 ? Number(tail.getBigUint64(locatorAt + 8, true)) : tailStart + at;
  if (found.sizeBytes > MAXIMUM_DIRECTORY_BYTES || found.entryCount > MAXIMUM_ENTRIES)
    throw new ZipError(
      name,
      `its list of files would have ${found.entryCount} entries in ${found.sizeBytes} bytes`,
      'Unpack the archive and choose only the model',
    );
  if (!(found.offset + found.sizeBytes <= recordsAt))
    throw new ZipError(name, `its list of files would have ${found.sizeBytes} bytes at ${found.offset}`);
  return found;
}

/** The record is followed by its comment, and maybe by data appended to the file. */
function isEndRecord(tail: DataView, at: number): boolean {
  return (
    tail.getUint32(at, true) === 0x06054b50 &&
    at + END_BYTES + tail.getUint16(at + 20, true) <= tail.byteLength
  );
}

/** The values of the Zip64 record. The shorter record must not contradict them. */
async function readZip64Record(
  blob: Blob,
  tail: DataView,
  locatorAt: number,
  stated: DirectoryPlace,
  name: string,
): Promise<DirectoryPlace> {
  const recordAt = Number(tail.getBigUint64(locatorAt + 8, true));
  if (!(recordAt + ZIP64_RECORD_BYTES <= blob.size))
    throw new ZipError(name, 'its Zip64 record is outside the file');
  const record = await viewOf(blob, recordAt, recordAt + ZIP64_RECORD_BYTES);
  if (record.getUint32(0, true) !== 0x06064b50) throw new ZipError(name, 'its Zip64 record is not there');
  const found: DirectoryPlace = {
    entryCount: Number(record.getBigUint64(32, true)),
    sizeBytes: Number(record.getBigUint64(40, true)),
    offset: Number(record.getBigUint64(48, true)),
  };
  if (
    ![found.entryCount, ELSEWHERE_16].includes(stated.entryCount) ||
    ![found.sizeBytes, ELSEWHERE_32].includes(stated.sizeBytes) ||
    ![found.offset, ELSEWHERE_32].includes(stated.offset)
  )
    throw new ZipError(name, 'its two records of the list of files contradict each other');
  return found;
}

function readEntry(view: DataView, at: number, nameBytes: number, extraBytes: number): DirectoryEntry {
  const nameStart = at + DIRECTORY_ENTRY_BYTES;
  const bytes = new Uint8Array(view.buffer, view.byteOffset + nameStart, nameBytes);
  let compressedBytes = view.getUint32(at + 20, true);
  let sizeBytes = view.getUint32(at + 24, true);
  let offset = view.getUint32(at + 42, true);
  // Values that do not fit 32 bits are in the Zip64 field, in this order.
  const extraEnd = nameStart + nameBytes + extraBytes;
  for (let extra = nameStart + nameBytes; extra + 4 <= extraEnd;) {
    const length = view.getUint16(extra + 2, true);
    if (view.getUint16(extra, true) === 1) {
      let place = extra + 4;
      const next = (value: number): number => {
        if (value !== ELSEWHERE_32 || place + 8 > Math.min(extra + 4 + length, extraEnd)) return value;
        place += 8;
        return Number(view.getBigUint64(place - 8, true));
      };
      sizeBytes = next(sizeBytes);
      compressedBytes = next(compressedBytes);
      offset = next(offset);
    }
    extra += 4 + length;
  }
  return {
    name: new TextDecoder().decode(bytes),
    nameBytes,
    method: view.getUint16(at + 10, true),
    flags: view.getUint16(at + 8, true),
    checksum: view.getUint32(at + 16, true),
    compressedBytes,
    sizeBytes,
    offset,
  };
}

function checkUnpackedSize(entries: Iterable<DirectoryEntry>, fileBytes: number, name: string): void {
  let unpackedBytes = 0;
  for (const entry of entries) {
    unpackedBytes += entry.sizeBytes;
    if (
      entry.method === STORED &&
      entry.sizeBytes !== entry.compressedBytes &&
      !(entry.flags & ENCRYPTION_FLAGS)
    )
      throw new ZipError(name, `${quoted(entry.name)} has two different sizes`);
  }
  if (!(unpackedBytes <= unpackingLimitBytes(fileBytes)))
    throw new ZipError(
      name,
      `it would unpack from ${fileBytes} to ${unpackedBytes} bytes`,
      'If you trust it, unpack it yourself and choose its contents',
    );
}

/** Each entry with its end, which is the beginning of the next one. @throws ZipError if two overlap */
function placeEntries(
  listed: ReadonlyMap<string, DirectoryEntry>,
  directoryOffset: number,
  name: string,
): Map<string, ZipEntry> {
  const inOrder = [...listed.values()].sort((a, b) => a.offset - b.offset);
  const ends = new Map<string, number>();
  inOrder.forEach((entry, index) => {
    const end = inOrder[index + 1]?.offset ?? directoryOffset;
    if (!(entry.offset + LOCAL_HEADER_BYTES + entry.nameBytes + entry.compressedBytes <= end))
      throw new ZipError(name, `${quoted(entry.name)} overlaps with what comes after it`);
    ends.set(entry.name, end);
  });
  const entries = new Map<string, ZipEntry>();
  for (const [key, { nameBytes: _, ...entry }] of listed) entries.set(key, { ...entry, end: ends.get(key)! });
  return entries;
}

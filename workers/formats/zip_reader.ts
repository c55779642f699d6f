/**
 * Zip archives read by their central directory, without trusting them (PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3):
 * stored and deflated entries, Zip64. Nothing is unpacked before it is asked for, and then never to more than the
 * entry says, and the caller allows.
 */
const MAXIMUM_ENTRIES = 65_536;
const MAXIMUM_DIRECTORY_BYTES = 16 * 1024 * 1024;
/** The end record may be followed by a comment of up to 65,535 bytes. */
const END_BYTES = 22 + 65_535;
const STORED = 0;
const DEFLATED = 8;

export class ZipError extends Error {
  override name = 'ZipError';
  constructor(file: string, problem: string) {
    super(
      `${file} cannot be read as a zip archive: ${problem}. It may be cut off or damaged; copy it again.`,
    );
  }
}

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  /** Of the entry's own header, from the start of the file. */
  readonly offset: number;
}

export class ZipFile {
  readonly name: string;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #blob: Blob;

  private constructor(name: string, blob: Blob, entries: ReadonlyMap<string, ZipEntry>) {
    this.name = name;
    this.#blob = blob;
    this.entries = entries;
  }

  /** @throws ZipError */
  static async open(blob: Blob, name: string): Promise<ZipFile> {
    const { offset, sizeBytes } = await findDirectory(blob, name);
    if (sizeBytes > MAXIMUM_DIRECTORY_BYTES || offset + sizeBytes > blob.size)
      throw new ZipError(name, `its list of files would have ${sizeBytes} bytes at ${offset}`);
    const view = await viewOf(blob, offset, offset + sizeBytes);
    const entries = new Map<string, ZipEntry>();
    for (let at = 0; at + 46 <= view.byteLength;) {
      if (view.getUint32(at, true) !== 0x02014b50) break;
      const lengths = [28, 30, 32].map((place) => view.getUint16(at + place, true));
      const [nameLength = 0, extraLength = 0, commentLength = 0] = lengths;
      const end = at + 46 + nameLength + extraLength + commentLength;
      if (end > view.byteLength) throw new ZipError(name, 'its list of files ends within an entry');
      const entry = readEntry(view, at, nameLength, extraLength);
      if (entries.has(entry.name))
        throw new ZipError(name, `it has the file "${entry.name.slice(0, 80)}" twice`);
      entries.set(entry.name, entry);
      if (entries.size > MAXIMUM_ENTRIES) throw new ZipError(name, 'it has too many files');
      at = end;
    }
    return new ZipFile(name, blob, entries);
  }

  /** Where an entry's bytes are, for one that is stored as it is. @throws ZipError */
  async slice(entry: ZipEntry): Promise<Blob> {
    const { offset, compressedBytes } = entry;
    const header = await viewOf(this.#blob, offset, Math.min(offset + 30, this.#blob.size));
    if (header.byteLength < 30 || header.getUint32(0, true) !== 0x04034b50)
      throw new ZipError(this.name, `"${entry.name.slice(0, 80)}" does not begin where the list says`);
    const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    if (start + compressedBytes > this.#blob.size)
      throw new ZipError(this.name, `"${entry.name.slice(0, 80)}" would end after the end of the file`);
    return this.#blob.slice(start, start + compressedBytes);
  }

  /** An entry's content, without a copy where it is stored as it is. @throws ZipError as read does */
  async open(name: string, limitBytes: number): Promise<Blob> {
    const entry = this.entries.get(name);
    if (
      entry?.method === STORED &&
      entry.compressedBytes === entry.sizeBytes &&
      entry.sizeBytes <= limitBytes
    )
      return this.slice(entry);
    return new Blob([await this.read(name, limitBytes)]);
  }

  /**
   * An entry's content.
   * @param limitBytes more than this is refused, whatever the archive says
   * @throws ZipError
   */
  async read(name: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.entries.get(name);
    const fail = (problem: string): ZipError => new ZipError(this.name, `"${name.slice(0, 80)}" ${problem}`);
    if (!entry) throw fail('is not in it');
    if (entry.sizeBytes > limitBytes)
      throw fail(`would have ${entry.sizeBytes} bytes, more than the ${limitBytes} that are allowed`);
    const content = await this.slice(entry);
    if (entry.method === STORED) {
      if (content.size !== entry.sizeBytes) throw fail('has two different sizes');
      return new Uint8Array(await content.arrayBuffer());
    }
    if (entry.method !== DEFLATED) throw fail(`is compressed by the unknown method ${entry.method}`);
    const result = new Uint8Array(entry.sizeBytes);
    let length = 0;
    try {
      const reader = content.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
        const part = value as Uint8Array;
        if (length + part.length > result.length) {
          await reader.cancel();
          throw fail('unpacks to more than its list says');
        }
        result.set(part, length);
        length += part.length;
      }
    } catch (error) {
      throw error instanceof ZipError ? error : fail('is damaged');
    }
    if (length !== result.length) throw fail('unpacks to less than its list says');
    return result;
  }
}

async function viewOf(blob: Blob, start: number, end: number): Promise<DataView> {
  return new DataView(await blob.slice(start, end).arrayBuffer());
}

async function findDirectory(blob: Blob, name: string): Promise<{ offset: number; sizeBytes: number }> {
  const tailStart = Math.max(blob.size - END_BYTES, 0);
  const tail = await viewOf(blob, tailStart, blob.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw new ZipError(name, 'it has no list of files at its end');
  const found = { sizeBytes: tail.getUint32(at + 12, true), offset: tail.getUint32(at + 16, true) };
  const isZip64 = at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50;
  if (!isZip64) return found;
  const recordAt = Number(tail.getBigUint64(at - 20 + 8, true));
  if (!(recordAt + 56 <= blob.size)) throw new ZipError(name, 'its Zip64 record lies outside');
  const record = await viewOf(blob, recordAt, recordAt + 56);
  if (record.getUint32(0, true) !== 0x06064b50) throw new ZipError(name, 'its Zip64 record is not there');
  return {
    sizeBytes: Number(record.getBigUint64(40, true)),
    offset: Number(record.getBigUint64(48, true)),
  };
}

function readEntry(view: DataView, at: number, nameLength: number, extraLength: number): ZipEntry {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength);
  let compressedBytes = view.getUint32(at + 20, true);
  let sizeBytes = view.getUint32(at + 24, true);
  let offset = view.getUint32(at + 42, true);
  // What does not fit in 32 bits is in the Zip64 field, in this order.
  const extraEnd = at + 46 + nameLength + extraLength;
  for (let extra = at + 46 + nameLength; extra + 4 <= extraEnd;) {
    const length = view.getUint16(extra + 2, true);
    if (view.getUint16(extra, true) === 1) {
      let place = extra + 4;
      const next = (value: number): number => {
        if (value !== 0xffffffff || place + 8 > Math.min(extra + 4 + length, extraEnd)) return value;
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
    method: view.getUint16(at + 10, true),
    compressedBytes,
    sizeBytes,
    offset,
  };
}

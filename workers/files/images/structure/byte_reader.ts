/** Random access to a file without holding all of it in memory. */

/** This many bytes are read at a time, unless the file is in memory. */
const WINDOW_BYTES = 256 * 1024;

export class ByteReader {
  readonly size: number;
  readonly #read: (from: number, to: number) => Promise<Uint8Array>;
  #window: Uint8Array = new Uint8Array();
  #windowAt = 0;

  /** @param read reads a range of the file; the result is shorter at its end */
  constructor(size: number, read: (from: number, to: number) => Promise<Uint8Array>) {
    this.size = size;
    this.#read = read;
  }

  static of(bytes: Uint8Array): ByteReader {
    const reader = new ByteReader(bytes.length, async () => bytes);
    reader.#window = bytes;
    return reader;
  }

  /** @returns `length` bytes, fewer at the end of the file; a view that is valid until the next call */
  async bytes(at: number, length: number): Promise<Uint8Array> {
    const end = Math.min(at + length, this.size);
    if (at < this.#windowAt || end > this.#windowAt + this.#window.length) {
      this.#windowAt = Math.min(at, this.size);
      this.#window = await this.#read(this.#windowAt, Math.min(Math.max(end, at + WINDOW_BYTES), this.size));
    }
    return this.#window.subarray(at - this.#windowAt, Math.max(end - this.#windowAt, 0));
  }

  /** @returns `least` bytes or more from `at` on (fewer at the end of the file), with at most one read of the file */
  async some(at: number, least: number): Promise<Uint8Array> {
    await this.bytes(at, least);
    return this.#window.subarray(at - this.#windowAt);
  }

  /** @returns undefined beyond the end of the file */
  async view(at: number, length: number): Promise<DataView | undefined> {
    const { buffer, byteOffset, byteLength } = await this.bytes(at, length);
    return byteLength === length ? new DataView(buffer, byteOffset, byteLength) : undefined;
  }
}

export function textOf(view: DataView, at: number, length: number): string {
  let text = '';
  for (let index = at; index < at + length; index++) text += String.fromCharCode(view.getUint8(index));
  return text;
}

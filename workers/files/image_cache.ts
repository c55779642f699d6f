/** A cache of the most recently used decoded images, up to a number of bytes. */
import type { ImageFile } from './classes.ts';
import { decodeImage } from './images/decode.ts';
import type { RgbImage } from '../protocol/data/images.ts';

const DEFAULT_CAPACITY_BYTES = 512 * 1024 * 1024;

interface Entry {
  readonly image: Promise<RgbImage>;
  /** 0 until the image is decoded. */
  sizeBytes: number;
}

export class ImageCache {
  readonly #capacityBytes: number;
  readonly #decode: (blob: Blob, path: string) => Promise<RgbImage>;
  /** In the order of use, the least recent first. */
  readonly #entries = new Map<ImageFile, Entry>();
  #sizeBytes = 0;

  /** @param decode default: decodes in this worker */
  constructor(decode = decodeImage, capacityBytes = DEFAULT_CAPACITY_BYTES) {
    this.#decode = decode;
    this.#capacityBytes = capacityBytes;
  }

  /** @throws UnreadableImageError, and the errors of reading the folder */
  read(file: ImageFile): Promise<RgbImage> {
    const cached = this.#entries.get(file);
    if (cached) {
      this.#entries.delete(file);
      this.#entries.set(file, cached);
      return cached.image;
    }
    const image = file.directory.read(file.path).then((blob) => this.#decode(blob, file.path));
    const entry: Entry = { image, sizeBytes: 0 };
    this.#entries.set(file, entry);
    image.then(
      ({ data }) => this.#settle(file, entry, data.length),
      // A failure is not kept, because the file may be readable later.
      () => this.#entries.delete(file),
    );
    return image;
  }

  #settle(file: ImageFile, entry: Entry, sizeBytes: number): void {
    if (this.#entries.get(file) !== entry) return;
    entry.sizeBytes = sizeBytes;
    this.#sizeBytes += sizeBytes;
    for (const [oldest, { sizeBytes: freed }] of this.#entries) {
      if (this.#sizeBytes <= this.#capacityBytes) return;
      if (freed === 0) continue;
      this.#entries.delete(oldest);
      this.#sizeBytes -= freed;
    }
  }
}

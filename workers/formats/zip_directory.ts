/** Writes files to a zip file in bounded memory: client-zip streams, and writing waits for the reader. */
import { makeZip } from 'client-zip';
import type { FileListing, WritableDirectory } from '../protocol/data/directories.ts';
import { FileMissingError } from '../protocol/data/file_errors.ts';

interface Entry {
  readonly name: string;
  readonly input: Blob | Uint8Array<ArrayBuffer> | string;
  readonly lastModified: Date;
}

/** The output accepts no more bytes, so the zip file is unusable. */
export class ZipNotWrittenError extends Error {
  override name = 'ZipNotWrittenError';
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Only supports writing. Files in the zip cannot be read back or removed. */
export class ZipDirectory implements WritableDirectory {
  readonly name = 'zip';
  readonly #written = new Set<string>();
  readonly #entries: TransformStream<Entry, Entry>;
  readonly #writer: WritableStreamDefaultWriter<Entry>;
  readonly #done: Promise<void>;

  constructor(output: WritableStream<Uint8Array>) {
    this.#entries = new TransformStream<Entry, Entry>();
    this.#writer = this.#entries.writable.getWriter();
    this.#done = makeZip(this.#read()).pipeTo(output);
    // A failure of the output is reported by the next write, or by close.
    this.#done.catch(() => undefined);
  }

  async *#read(): AsyncGenerator<Entry> {
    const reader = this.#entries.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  }

  async *list(): AsyncIterable<FileListing> {
    for (const path of this.#written) yield { path };
  }

  async read(path: string): Promise<Blob> {
    throw new FileMissingError(path, this.name);
  }

  async exists(path: string): Promise<boolean> {
    return this.#written.has(path);
  }

  /** @throws ZipNotWrittenError */
  async write(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): Promise<void> {
    this.#written.add(path);
    const written = this.#writer.write({ name: path, input: content, lastModified: new Date() });
    // A failed output never drains, so wait for whichever comes first.
    await Promise.race([
      written,
      this.#done.then(
        () => {
          throw new Error('The zip file was closed before everything was written.');
        },
        (error: unknown) => {
          throw new ZipNotWrittenError(error);
        },
      ),
    ]);
  }

  async remove(path: string): Promise<void> {
    throw new Error(`${path} is in the zip file already and cannot be removed.`);
  }

  /** Writes the directory of the zip. The file is complete when this resolves. @throws ZipNotWrittenError */
  async close(): Promise<void> {
    try {
      await Promise.all([this.#writer.close(), this.#done]);
    } catch (error) {
      throw new ZipNotWrittenError(error);
    }
  }

  /** Aborts an incomplete zip. The output receives the reason, and can discard the bytes. */
  async abort(reason: unknown): Promise<void> {
    // Not awaited, because a pending write to a failed output never ends.
    this.#writer.abort(reason).catch(() => undefined);
    await this.#done.catch(() => undefined);
  }
}

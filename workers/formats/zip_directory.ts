/** A zip file written as files come, in bounded memory: client-zip streams, and writing waits for the reader. */
import { makeZip } from 'client-zip';
import type { FileListing, WritableDirectory } from '../protocol/data/directories.ts';
import { FileMissingError } from '../protocol/data/file_errors.ts';

interface Entry {
  readonly name: string;
  readonly input: Blob | Uint8Array<ArrayBuffer> | string;
  readonly lastModified: Date;
}

/** What takes the zip's bytes takes no more of them: none of the zip is of use. */
export class ZipNotWrittenError extends Error {
  override name = 'ZipNotWrittenError';
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Files can be written, and nothing else: what is in the zip cannot be read back or removed. */
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
    // A failing output shows at the next write, or at close.
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
    // A broken output never drains: whichever comes first.
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

  /** Writes the zip's directory; the file is whole when this resolves. @throws ZipNotWrittenError */
  async close(): Promise<void> {
    try {
      await Promise.all([this.#writer.close(), this.#done]);
    } catch (error) {
      throw new ZipNotWrittenError(error);
    }
  }

  /** Ends the zip before it is whole: what takes its bytes is told, and can throw them away. */
  async abort(reason: unknown): Promise<void> {
    // It is not waited for: what was being written to a broken output never ends.
    this.#writer.abort(reason).catch(() => undefined);
    await this.#done.catch(() => undefined);
  }
}

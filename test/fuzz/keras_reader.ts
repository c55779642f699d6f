/**
 * Reads Keras files in a thread, like the page in a worker. A damaged file can crash the HDF5 library for its whole
 * thread, or keep it busy forever. Then the thread is ended, and the next file gets a new one.
 */
import { Worker } from 'node:worker_threads';
import { Hdf5Error } from '../../workers/formats/hdf5.ts';

/** Only a file that keeps the library busy forever needs this time. That is an accepted result, too. */
const LONGEST_MS = 9000;
const STOPPED = 'The HDF5 file cannot be read: it is damaged.';

interface Answer {
  readonly error?: string;
  readonly message?: string;
  /** The library or its thread does not respond. */
  readonly hasStopped?: boolean;
}

export class KerasReader {
  #thread: Worker | undefined;

  /** Reads everything. @throws Hdf5Error, or an error whose message has the name of the thread's error */
  async read(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const thread = (this.#thread ??= startThread());
    const { error, message, hasStopped } = await answerOf(thread, bytes);
    if (hasStopped || message === STOPPED) await this.close();
    if (error === 'Hdf5Error') throw new Hdf5Error(message);
    if (error !== undefined) throw new Error(`${error}: ${message}`);
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}

/** Node's threads do not run TypeScript themselves, so tsx is loaded. */
function startThread(): Worker {
  const file = JSON.stringify(new URL('./keras_thread.ts', import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${file})))`, {
    eval: true,
  });
}

function answerOf(thread: Worker, bytes: Uint8Array): Promise<Answer> {
  return new Promise((resolve) => {
    const stopped = (why: string): void =>
      answer({ error: 'Hdf5Error', message: `The thread ${why}`, hasStopped: true });
    const timer = setTimeout(() => stopped('is busy.'), LONGEST_MS);
    const onError = (error: Error): void => stopped(`ended: ${error.message}`);
    const answer = (outcome: Answer): void => {
      clearTimeout(timer);
      thread.off('message', answer);
      thread.off('error', onError);
      resolve(outcome);
    };
    thread.on('message', answer);
    thread.on('error', onError);
    thread.postMessage(bytes);
  });
}

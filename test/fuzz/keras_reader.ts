/**
 * Reads Keras files in a thread, as the page does in a worker: a damaged file can stop the HDF5 library in its whole
 * thread, or keep it busy for ever. Then the thread is ended, and the next file gets another one.
 */
import { Worker } from 'node:worker_threads';
import { Hdf5Error } from '../../workers/formats/hdf5.ts';

/** Only a file that keeps the library busy for ever needs this: that is an answer, too. */
const LONGEST_MS = 9000;
const STOPPED = 'The HDF5 file cannot be read: it is damaged.';

interface Answer {
  readonly error?: string;
  readonly message?: string;
  /** The library, or its thread, stands still. */
  readonly hasStopped?: boolean;
}

export class KerasReader {
  #thread: Worker | undefined;

  /** All there is in it. @throws Hdf5Error, and an error with another one's name in its message */
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

/** Node's threads do not run TypeScript by themselves; tsx is loaded for it. */
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

/**
 * Long reading that can be cancelled. A worker hears a cancellation only between two tasks, so work that takes longer
 * than a moment hands the thread over now and then.
 */
const LONGEST_TASK_MS = 50;

export class LongWork {
  readonly #signal: AbortSignal | undefined;
  #taskBeganMs = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
    signal?.throwIfAborted();
  }

  /** Cheap enough for every few thousand values. @throws the signal's reason, once the work is cancelled */
  async pause(): Promise<void> {
    if (performance.now() - this.#taskBeganMs >= LONGEST_TASK_MS) {
      // A message is heard after a macrotask, never after a microtask.
      await new Promise((resolve) => setTimeout(resolve));
      this.#taskBeganMs = performance.now();
    }
    this.#signal?.throwIfAborted();
  }
}

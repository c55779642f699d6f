/**
 * Long reading that can be cancelled. A worker receives a cancellation only between two tasks, so long work yields the
 * thread from time to time.
 */
const LONGEST_TASK_MS = 50;

export class LongWork {
  readonly #signal: AbortSignal | undefined;
  #taskBeganMs = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
    signal?.throwIfAborted();
  }

  /** Cheap enough to call every few thousand values. @throws the signal's reason, once the work is cancelled */
  async pause(): Promise<void> {
    if (performance.now() - this.#taskBeganMs >= LONGEST_TASK_MS) {
      // A message arrives after a macrotask, never after a microtask.
      await new Promise((resolve) => setTimeout(resolve));
      this.#taskBeganMs = performance.now();
    }
    this.#signal?.throwIfAborted();
  }
}

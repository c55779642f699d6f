/**
 * Ctrl-C: the first one stops the job so that nothing is lost, the second one ends the program at once.
 *
 * npm passes signals on that the terminal has sent to the whole group already, so that one Ctrl-C arrives twice.
 */
const SAME_KEY_PRESS_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Interruption {
  #stop: (() => unknown) | undefined;
  #firstAt: number | undefined;
  readonly #announce: () => void;
  readonly #endAtOnce: () => void;
  readonly #now: () => number;

  /**
   * @param announce the job is about to stop
   * @param endAtOnce does not return
   */
  constructor(announce: () => void, endAtOnce: () => void, now: () => number = () => performance.now()) {
    this.#announce = announce;
    this.#endAtOnce = endAtOnce;
    this.#now = now;
  }

  get interrupted(): boolean {
    return this.#firstAt !== undefined;
  }

  /** @returns stops listening */
  listen(): () => void {
    const listener = (): void => this.signal();
    for (const signal of SIGNALS) process.on(signal, listener);
    return () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    };
  }

  /** What stops the job that runs now. */
  onInterrupt(stop: () => unknown): void {
    this.#stop = stop;
  }

  signal(): void {
    const now = this.#now();
    if (this.#firstAt !== undefined && now - this.#firstAt < SAME_KEY_PRESS_MS) return;
    if (this.#firstAt !== undefined || !this.#stop) return this.#endAtOnce();
    this.#firstAt = now;
    this.#announce();
    // The job's own end tells of a stop that failed.
    Promise.resolve(this.#stop()).catch(() => undefined);
  }
}

/**
 * What ends a command before its work is done: Ctrl-C and other signals, a closed terminal, a reader of the output that
 * has ended, npm's end. The first one stops the job so that nothing is lost; Ctrl-C or SIGTERM again ends the program at
 * once.
 *
 * npm passes signals on that the terminal has sent to the whole group already, so that one Ctrl-C arrives twice.
 */
import { readFileSync } from 'node:fs';
import { watchNpm } from './system/parent_watch.ts';

const SAME_KEY_PRESS_MS = 500;
/** For a job that nobody can end by another Ctrl-C, since its terminal is gone. */
const STOP_LIMIT_MS = 2 * 60 * 1000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export type Cause = (typeof SIGNALS)[number] | 'SIGPIPE';

/** As a shell reports a program that the signal ended. */
const EXIT_CODES: Readonly<Record<Cause, number>> = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 };

export class Interruption {
  #stop: (() => unknown) | undefined;
  #first: { readonly cause: Cause; readonly atMs: number } | undefined;
  readonly #announce: () => void;
  readonly #endAtOnce: (exitCode: number) => void;
  readonly #now: () => number;

  /**
   * @param announce the job is about to stop
   * @param endAtOnce does not return
   */
  constructor(
    announce: () => void,
    endAtOnce: (exitCode: number) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#announce = announce;
    this.#endAtOnce = endAtOnce;
    this.#now = now;
  }

  get interrupted(): boolean {
    return this.#first !== undefined;
  }

  /** Of an interrupted command. */
  get exitCode(): number {
    return EXIT_CODES[this.#first?.cause ?? 'SIGINT'];
  }

  /** @returns stops listening */
  listen(): () => void {
    const heard = SIGNALS.filter((signal) => signal !== 'SIGHUP' || !isHangUpIgnored());
    const listeners = heard.map((signal) => ({ signal, listener: () => this.signal(signal) }));
    for (const { signal, listener } of listeners) process.on(signal, listener);
    const onWriteError = (): void => this.signal('SIGPIPE');
    process.stdout.on('error', onWriteError);
    const stopWatching = watchNpm(() => this.signal('SIGHUP'));
    return () => {
      for (const { signal, listener } of listeners) process.off(signal, listener);
      process.stdout.off('error', onWriteError);
      stopWatching();
    };
  }

  /** What stops the job that runs now. */
  onInterrupt(stop: () => unknown): void {
    this.#stop = stop;
  }

  signal(cause: Cause): void {
    const atMs = this.#now();
    if (this.#first) {
      const isOnPurpose = cause === 'SIGINT' || cause === 'SIGTERM';
      if (isOnPurpose && atMs - this.#first.atMs >= SAME_KEY_PRESS_MS) this.#endAtOnce(EXIT_CODES[cause]);
      return;
    }
    if (!this.#stop) return this.#endAtOnce(EXIT_CODES[cause]);
    this.#first = { cause, atMs };
    this.#announce();
    if (cause === 'SIGHUP' || cause === 'SIGPIPE')
      setTimeout(() => this.#endAtOnce(EXIT_CODES[cause]), STOP_LIMIT_MS).unref();
    // The job's own end tells of a stop that failed.
    Promise.resolve(this.#stop()).catch(() => undefined);
  }
}

/** As nohup arranges it: the program is meant to outlive its terminal. Only Linux tells. */
function isHangUpIgnored(): boolean {
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
    // Signal 1 is the lowest bit.
    return (BigInt(`0x${ignored}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

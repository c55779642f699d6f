/** What a command prints, with nothing in it that a terminal would act on: lines, and a progress line that is rewritten on a terminal. */
import type { Writable } from 'node:stream';
import { terminalText } from '../../workers/protocol/escape_text.ts';

export interface OutputStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Where nobody sees the line move, it is printed this often. */
const QUIET_INTERVAL_MS = 10_000;
const CLEAR_LINE = '\r\u001b[2K';

export class Output {
  readonly #stream: OutputStream;
  readonly #now: () => number;
  #progressShown = false;
  #lastProgressAt: number;

  constructor(stream: OutputStream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
    this.#lastProgressAt = now();
  }

  line(text: string): void {
    this.clearProgress();
    this.#stream.write(`${terminalText(text)}\n`);
  }

  /** @param isLast printed in any case */
  progress(text: string, isLast = false): void {
    if (this.#stream.isTTY) {
      // A line longer than the terminal is wide would wrap, and could not be taken back.
      this.#stream.write(
        CLEAR_LINE + terminalText(text).slice(0, (this.#stream.columns ?? 80) - 1) + (isLast ? '\n' : ''),
      );
      this.#progressShown = !isLast;
      return;
    }
    const now = this.#now();
    if (!isLast && now - this.#lastProgressAt < QUIET_INTERVAL_MS) return;
    this.#lastProgressAt = now;
    this.line(text);
  }

  /** Takes the moving line away, so that other text can stand there. */
  clearProgress(): void {
    if (this.#progressShown) this.#stream.write(CLEAR_LINE);
    this.#progressShown = false;
  }
}

/**
 * Long computations in small pieces: a generator yields its progress from time to time, so that a worker can report it
 * and handle a request to stop.
 */

/** Yields the share of the work that is done, 0 … 1, and returns the result. */
export type Sliced<Result> = Generator<number, Result, undefined>;

/** Makes the work a part of longer work: its progress 0 … 1 becomes `from` … `to`. */
export function* part<Result>(from: number, to: number, work: Sliced<Result>): Sliced<Result> {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
    yield from + (to - from) * next.value;
  }
}

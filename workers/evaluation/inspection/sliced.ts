/**
 * Long arithmetic in small pieces: a generator that now and then yields how far it is, so that a worker can report it,
 * answer a request to stop, and go on.
 */

/** Yields the share that is done, 0 … 1, and returns the result. */
export type Sliced<Result> = Generator<number, Result, undefined>;

/** The work as a part of a longer one: its share of 0 … 1 becomes one of `from` … `to`. */
export function* part<Result>(from: number, to: number, work: Sliced<Result>): Sliced<Result> {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
    yield from + (to - from) * next.value;
  }
}

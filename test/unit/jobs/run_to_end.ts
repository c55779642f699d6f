import type { Sliced } from '../../../workers/evaluation/inspection/sliced.ts';

/** Runs work that is done in pieces to its end, and returns its result. */
export function runToEnd<Result>(work: Sliced<Result>): Result {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

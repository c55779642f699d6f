import type { Sliced } from '../../../workers/evaluation/inspection/sliced.ts';

/** The result of work that is done in pieces. */
export function runToEnd<Result>(work: Sliced<Result>): Result {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

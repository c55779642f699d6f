/** Alignments of one input, one after the other, as one. */
import type { AlignSummary } from '../../workers/protocol.ts';

/** A run's summary with that of some of its failed photos tried again. */
export function together(before: AlignSummary, again: AlignSummary, paths: readonly string[]): AlignSummary {
  const tried = new Set(paths);
  return {
    ...before,
    successfullyAligned: before.successfullyAligned + again.successfullyAligned - again.skippedExisting,
    failures: [...before.failures.filter(({ path }) => !tried.has(path)), ...again.failures],
    cancelled: before.cancelled || again.cancelled,
    durationMs: before.durationMs + again.durationMs,
  };
}

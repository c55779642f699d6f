/** Alignments of one input, one after the other, as one. */
import type { AlignSummary, AlignTimes, DuplicatePhotos } from '../../workers/protocol/align.ts';

/** A run's summary with that of some of its failed photos tried again. */
export function together(before: AlignSummary, again: AlignSummary, paths: readonly string[]): AlignSummary {
  const tried = new Set(paths);
  return {
    ...before,
    successfullyAligned: before.successfullyAligned + again.successfullyAligned - again.skippedExisting,
    failures: [...before.failures.filter(({ path }) => !tried.has(path)), ...again.failures],
    duplicates: mergedDuplicates(before.duplicates, again.duplicates),
    setAside: [...new Set([...before.setAside, ...again.setAside])],
    cancelled: before.cancelled || again.cancelled,
    durationMs: before.durationMs + again.durationMs,
    times: addTimes(before.times, again.times),
  };
}

/** Groups that share a photo are about the same bytes. */
function mergedDuplicates(
  before: readonly DuplicatePhotos[],
  again: readonly DuplicatePhotos[],
): DuplicatePhotos[] {
  const merged: string[][] = before.map((paths) => [...paths]);
  for (const paths of again) {
    const same = merged.find((known) => paths.some((path) => known.includes(path)));
    if (same) same.push(...paths.filter((path) => !same.includes(path)));
    else merged.push([...paths]);
  }
  return merged;
}

function addTimes(a: AlignTimes, b: AlignTimes): AlignTimes {
  return {
    decodeMs: a.decodeMs + b.decodeMs,
    resizeMs: a.resizeMs + b.resizeMs,
    networksMs: a.networksMs + b.networksMs,
    encodeMs: a.encodeMs + b.encodeMs,
    writeMs: a.writeMs + b.writeMs,
  };
}

/** Alignments of one input, one after the other, as one. */
import type {
  AlignFailure,
  AlignSummary,
  AlignTimes,
  DuplicatePhotos,
} from '../../workers/protocol/align/align.ts';

/** A run's summary with that of some of its failed photos tried again. */
export function together(before: AlignSummary, again: AlignSummary, paths: readonly string[]): AlignSummary {
  return {
    ...before,
    successfullyAligned: before.successfullyAligned + again.successfullyAligned - again.skippedExisting,
    failures: mergedFailures(before.failures, again.failures, new Set(paths)),
    duplicates: mergedDuplicates(before.duplicates, again.duplicates),
    setAside: [...new Set([...before.setAside, ...again.setAside])],
    cancelled: before.cancelled || again.cancelled,
    durationMs: before.durationMs + again.durationMs,
    times: addTimes(before.times, again.times),
  };
}

/** What failed again stays where it was, as it may be looked at just now. */
function mergedFailures(
  before: readonly AlignFailure[],
  again: readonly AlignFailure[],
  tried: ReadonlySet<string>,
): AlignFailure[] {
  // The same path may lie in several folders.
  const failedAgain = new Map<string, AlignFailure[]>();
  for (const failure of again) {
    const list = failedAgain.get(failure.path);
    if (list) list.push(failure);
    else failedAgain.set(failure.path, [failure]);
  }
  const kept = before.flatMap((failure) => {
    if (!tried.has(failure.path)) return [failure];
    const next = failedAgain.get(failure.path)?.shift();
    return next ? [next] : [];
  });
  return [...kept, ...[...failedAgain.values()].flat()];
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

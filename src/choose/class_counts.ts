/** A dataset's list of classes while it grows. */
import { compareNames } from '../../workers/protocol/data/names.ts';
import type { ClassCount, DatasetSummary, ScanProgress } from '../../workers/protocol/data/dataset.ts';

/** @returns what a scan has found, after `found` and this progress; classes without an image so far are among it */
export function withScanned(
  found: DatasetSummary | undefined,
  { imageCount, ignoredCount, changes }: ScanProgress,
): DatasetSummary {
  const classes = withChanges(found?.classes ?? [], changes);
  return { name: '', classes, imageCount, examples: [], ignoredCount, ignoredExamples: [], skipped: [] };
}

/**
 * One pass over both, so that a long list may grow in many small steps.
 * @param classes sorted by name
 */
export function withChanges(classes: readonly ClassCount[], changes: readonly ClassCount[]): ClassCount[] {
  const sorted = [...changes].sort((a, b) => compareNames(a.name, b.name));
  const merged: ClassCount[] = [];
  let at = 0;
  for (const change of sorted) {
    while (at < classes.length && classes[at]!.name < change.name) merged.push(classes[at++]!);
    if (classes[at]?.name === change.name) at++;
    merged.push(change);
  }
  while (at < classes.length) merged.push(classes[at++]!);
  return merged;
}

/** How many classes these images, by their paths, belong to. */
export function countClasses(paths: readonly string[]): number {
  return new Set(paths.map((path) => path.slice(0, path.indexOf('/')))).size;
}

/** The paths but for those that are gone, in their order. */
export function withoutPaths(paths: readonly string[], gone: readonly string[]): string[] {
  const goneSet = new Set(gone);
  return paths.filter((path) => !goneSet.has(path));
}

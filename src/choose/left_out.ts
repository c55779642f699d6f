/** Photos that do not belong to a dataset though they lie in its folders: mislabelled ones, or those there twice. */
import { compareNames } from '../../workers/protocol/data/names.ts';
import type { DatasetSummary, DirectoryReference } from '../../workers/protocol/data/dataset.ts';

/** A photo of a union of folders. */
export interface DatasetPhoto {
  /** The place of its folder among them. */
  readonly folder: number;
  /** `<class>/<file>` */
  readonly path: string;
}

export function countLeftOut(folders: readonly DirectoryReference[]): number {
  return folders.reduce((sum, { leftOut = [] }) => sum + leftOut.length, 0);
}

/** Of each folder its photos that are left out. */
export function leftOutSets(folders: readonly DirectoryReference[]): Set<string>[] {
  return folders.map(({ leftOut = [] }) => new Set(leftOut));
}

/** The places of the folders that the photos lie in. */
export function foldersOf(photos: readonly DatasetPhoto[]): number[] {
  return [...new Set(photos.map(({ folder }) => folder))];
}

/**
 * @param summary counts the photos that belong to the dataset
 * @param photos are there; those that are left out, or not, already change nothing
 */
export function withLeftOut(
  folders: readonly DirectoryReference[],
  summary: DatasetSummary | undefined,
  photos: readonly DatasetPhoto[],
  isLeftOut: boolean,
): { folders: DirectoryReference[]; summary: DatasetSummary | undefined } {
  const sets = leftOutSets(folders);
  const changes = new Map<string, number>();
  for (const { folder, path } of photos) {
    const set = sets[folder];
    if (!set || set.has(path) === isLeftOut) continue;
    if (isLeftOut) set.add(path);
    else set.delete(path);
    const name = path.slice(0, path.indexOf('/'));
    changes.set(name, (changes.get(name) ?? 0) + (isLeftOut ? -1 : 1));
  }
  return {
    folders: folders.map((folder, place) => ({ ...folder, leftOut: [...sets[place]!] })),
    summary: summary && withCounts(summary, changes),
  };
}

function withCounts(summary: DatasetSummary, changes: ReadonlyMap<string, number>): DatasetSummary {
  const counts = new Map(summary.classes.map(({ name, imageCount }) => [name, imageCount]));
  let imageCount = summary.imageCount;
  for (const [name, change] of changes) {
    counts.set(name, (counts.get(name) ?? 0) + change);
    imageCount += change;
  }
  return {
    ...summary,
    imageCount,
    classes: [...counts]
      .filter(([, count]) => count > 0)
      .map(([name, count]) => ({ name, imageCount: count }))
      .sort((a, b) => compareNames(a.name, b.name)),
  };
}

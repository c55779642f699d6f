/** Folders → classes. A class is a subfolder with images directly in it. Several folders are merged by class name. */
import type { SkippedFiles } from '../protocol/data/skipped_files.ts';
import { datasetName, walkDataset } from '../protocol/data/dataset_count.ts';
import { type DatasetTotals } from '../protocol/data/dataset.ts';
import type { ReadableDirectory } from '../protocol/data/directories.ts';
import { compareNames } from '../protocol/data/names.ts';

export interface ImageFile {
  /** `<class>/<file>` below the directory. */
  readonly path: string;
  readonly directory: ReadableDirectory;
}

export interface DatasetClass {
  readonly name: string;
  readonly images: readonly ImageFile[];
}

export interface Dataset {
  readonly name: string;
  /** Sorted by name. The label of a class is its index. */
  readonly classes: readonly DatasetClass[];
  readonly imageCount: number;
  readonly ignoredCount: number;
  readonly ignoredExamples: readonly string[];
  /** All files that are not used, by reason. */
  readonly skipped: readonly SkippedFiles[];
}

/**
 * @param onProgress called from time to time with the counts so far
 * @param isWanted whether a file is an image, by its path
 * @throws NoImagesError
 */
export async function readClasses(
  directories: readonly ReadableDirectory[],
  onProgress?: (totals: DatasetTotals) => void,
  signal?: AbortSignal,
  isWanted?: (path: string) => boolean,
): Promise<Dataset> {
  const images = new Map<string, ImageFile[]>();
  const { imageCount, ignoredCount, ignoredExamples, skipped } = await walkDataset(
    directories,
    { onProgress: onProgress && ((count) => onProgress(count.totals)), signal, isWanted },
    (className, path, directory) => {
      const list = images.get(className);
      if (list) list.push({ path, directory });
      else images.set(className, [{ path, directory }]);
    },
  );
  const classes = [...images]
    .map(([className, list]) => ({
      name: className,
      images: list.sort((a, b) => compareNames(a.path, b.path)),
    }))
    .sort((a, b) => compareNames(a.name, b.name));
  return { name: datasetName(directories), classes, imageCount, ignoredCount, ignoredExamples, skipped };
}

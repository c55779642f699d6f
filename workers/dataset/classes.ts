/** Folders → classes: one subfolder a class, the images directly in it; several folders are united by class name. */
import type { ReadableDirectory } from './directory.ts';
import { NoImagesError } from './errors.ts';
import { isImagePath } from './image.ts';

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
  /** Sorted by name; a class's label is its index. */
  readonly classes: readonly DatasetClass[];
  readonly imageCount: number;
  readonly ignoredCount: number;
  readonly ignoredExamples: readonly string[];
}

const IGNORED_EXAMPLES = 20;
const PROGRESS_INTERVAL = 500;
/** What alignment leaves beside the faces: no image, and no surprise either. */
const ALIGNMENT_NOTES_PATH = /^(bounding_boxes_\d+\.txt|set_aside\.json)$/;

/** By code point, as Python sorts: labels do not depend on a locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * @param onProgress called now and then with the number of files seen
 * @param isWanted whether a file is an image, by its path
 * @throws NoImagesError
 */
export async function readClasses(
  directories: readonly ReadableDirectory[],
  onProgress?: (fileCount: number) => void,
  signal?: AbortSignal,
  isWanted: (path: string) => boolean = isImagePath,
): Promise<Dataset> {
  const images = new Map<string, ImageFile[]>();
  const ignoredExamples: string[] = [];
  let seen = 0;
  let ignoredCount = 0;
  for (const directory of directories)
    for await (const { path } of directory.list(signal)) {
      if (++seen % PROGRESS_INTERVAL === 0) onProgress?.(seen);
      if (ALIGNMENT_NOTES_PATH.test(path)) continue;
      const slash = path.indexOf('/');
      if (slash <= 0 || path.includes('/', slash + 1) || !isWanted(path)) {
        ignoredCount++;
        if (ignoredExamples.length < IGNORED_EXAMPLES) ignoredExamples.push(path);
        continue;
      }
      const name = path.slice(0, slash);
      const list = images.get(name);
      if (list) list.push({ path, directory });
      else images.set(name, [{ path, directory }]);
    }
  onProgress?.(seen);
  const name = directories.map((directory) => directory.name).join(' + ');
  if (images.size === 0) throw new NoImagesError(name, ignoredCount);
  const classes = [...images]
    .map(([className, list]) => ({
      name: className,
      images: list.sort((a, b) => compareNames(a.path, b.path)),
    }))
    .sort((a, b) => compareNames(a.name, b.name));
  return {
    name,
    classes,
    imageCount: classes.reduce((sum, { images: list }) => sum + list.length, 0),
    ignoredCount,
    ignoredExamples,
  };
}

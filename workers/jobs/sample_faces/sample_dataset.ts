/** The sample faces as an ordinary class-per-folder dataset, named as LFW names its photos. */
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { fileStats } from '../../files/file_stats.ts';
import type { SampleFacesOptions } from '../../protocol/data/dataset.ts';
import { drawSampleFace } from './draw_face.ts';
import { sampleNames } from './names.ts';
import { samplePerson } from './person.ts';
import { samplePhoto } from './photo.ts';

/** Part of the folder's name, so that another version's pictures are not taken for this one's. */
const DRAWING_VERSION = 1;

export interface SamplePhotoFile {
  /** `Name/Name_0001.png` */
  readonly path: string;
  readonly person: number;
  readonly photo: number;
}

/** Where a sample lives in the origin's private file system. */
export function sampleFolder({ seed, people, photosPerPerson }: SampleFacesOptions): string {
  return `sample-faces/v${DRAWING_VERSION}-${seed}-${people}x${photosPerPerson}`;
}

export function sampleFiles({ seed, people, photosPerPerson }: SampleFacesOptions): SamplePhotoFile[] {
  return sampleNames(seed, people).flatMap((name, person) =>
    Array.from({ length: photosPerPerson }, (_, photo) => ({
      path: `${name}/${name}_${String(photo + 1).padStart(4, '0')}.png`,
      person,
      photo,
    })),
  );
}

/**
 * Draws what is missing.
 * @throws StorageFullError; what is written by then stays and is not drawn again
 */
export async function writeSampleFaces(
  directory: WritableDirectory,
  options: SampleFacesOptions,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  const present = new Set<string>();
  const there: string[] = [];
  for await (const { path } of directory.list()) there.push(path);
  const stats = await fileStats(directory, there);
  // An interrupted write may have left an empty file.
  there.forEach((path, index) => {
    if (stats[index]?.sizeBytes) present.add(path);
  });
  const files = sampleFiles(options);
  let done = 0;
  for (const { path, person, photo } of files) {
    if (!present.has(path)) {
      const canvas = drawSampleFace(
        samplePerson(options.seed, person),
        samplePhoto(options.seed, person, photo),
      );
      await directory.write(path, await canvas.convertToBlob({ type: 'image/png' }));
    }
    onProgress?.(++done, files.length);
  }
}

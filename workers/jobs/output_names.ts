/**
 * What aligned faces are called: as their photo, without its extension. Two photos of a class may differ in nothing
 * else (`a.jpg` and `a.png`, or the same name in two folders that are united): both faces are kept, the later one with
 * a number.
 */
import type { ImageFile } from '../dataset/classes.ts';
import { baseName } from '../dataset/image.ts';

/** @returns for each image `<class>/<name>`, to which `.png` is added; the same for the same images, in order */
export function nameOutputs(images: readonly ImageFile[]): Map<ImageFile, string> {
  const wanted = new Set(images.map(outputStem));
  const taken = new Set<string>();
  const stems = new Map<ImageFile, string>();
  for (const image of images) {
    const stem = outputStem(image);
    let name = stem;
    // A number that no photo has by itself.
    for (let number = 2; taken.has(name) || (name !== stem && wanted.has(name)); number++)
      name = `${stem}-${number}`;
    taken.add(name);
    stems.set(image, name);
  }
  return stems;
}

export function renamedOutputs(
  images: readonly ImageFile[],
  stems: ReadonlyMap<ImageFile, string>,
): { path: string; outputPath: string }[] {
  return images.flatMap((image) => {
    const stem = stems.get(image)!;
    return stem === outputStem(image) ? [] : [{ path: image.path, outputPath: `${stem}.png` }];
  });
}

/** `Name/photo.jpg` → `Name/photo` */
function outputStem({ path }: ImageFile): string {
  return `${path.slice(0, path.lastIndexOf('/'))}/${baseName(path)}`;
}

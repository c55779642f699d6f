/**
 * What aligned faces are called: as their photo, without its extension. Two photos of a class may differ in nothing
 * else (`a.jpg` and `a.png`, or the same name in two folders that are united): both faces are kept, the later one with
 * a number.
 */
import type { DatasetClass, ImageFile } from '../files/classes.ts';
import { baseName } from '../protocol/data/images.ts';

/** The same names for the same classes. Kept are those only that do not follow from the photo: next to none. */
export class OutputNames {
  readonly #numbered = new Map<ImageFile, string>();

  constructor(classes: Iterable<DatasetClass>) {
    for (const { images } of classes) this.#nameClass(images);
  }

  #nameClass(images: readonly ImageFile[]): void {
    const wanted = new Set(images.map(ownStem));
    if (wanted.size === images.length) return;
    const taken = new Set<string>();
    for (const image of images) {
      const stem = ownStem(image);
      let name = stem;
      // A number that no photo has by itself.
      for (let number = 2; taken.has(name) || (name !== stem && wanted.has(name)); number++)
        name = `${stem}-${number}`;
      taken.add(name);
      if (name !== stem) this.#numbered.set(image, name);
    }
  }

  /** @returns `<class>/<name>`, to which `.png` is added */
  stemOf(image: ImageFile): string {
    return this.#numbered.get(image) ?? ownStem(image);
  }

  /** Those of these images whose faces are not called as their photo. */
  renamed(images: readonly ImageFile[]): { path: string; outputPath: string }[] {
    return images.flatMap((image) => {
      const stem = this.#numbered.get(image);
      return stem === undefined ? [] : [{ path: image.path, outputPath: `${stem}.png` }];
    });
  }
}

/** `Name/photo.jpg` → `Name/photo` */
function ownStem({ path }: ImageFile): string {
  return `${path.slice(0, path.lastIndexOf('/'))}/${baseName(path)}`;
}

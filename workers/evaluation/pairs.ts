/** Pairs of photos: finds the images for the names and numbers in a pairs file. */
import type { DatasetClass, ImageFile } from '../files/classes.ts';
import { baseName } from '../protocol/data/images.ts';
import type { NamedPair, PersonPhoto } from './pairs_file.ts';

export interface ImagePair {
  /** Indices into the images. */
  readonly first: number;
  readonly second: number;
  /** Whether both show one person. */
  readonly same: boolean;
}

export interface ImagePairs {
  /** Each image is in a pair, and none is listed twice. */
  readonly images: readonly ImageFile[];
  /** Pairs in the order of the folds. */
  readonly pairs: readonly ImagePair[];
  /** The cause for each skipped pair, e.g. `Tony_Blair 7: image not found`. */
  readonly skipped: readonly string[];
}

/** Numbers the images that pairs use. */
export class ImageIndex {
  readonly images: ImageFile[] = [];
  readonly #indices = new Map<ImageFile, number>();

  indexOf(image: ImageFile): number {
    let index = this.#indices.get(image);
    if (index === undefined) {
      index = this.images.push(image) - 1;
      this.#indices.set(image, index);
    }
    return index;
  }
}

/** The original looks for these two, in this order. If neither exists, other image formats are used. */
const PREFERRED_EXTENSIONS = ['jpg', 'png'];

/**
 * The images of a pair are `<name>/<name>_%04d.(jpg|png)`. Pairs with a missing image are skipped, with their cause.
 */
export function resolvePairs(named: readonly NamedPair[], classes: readonly DatasetClass[]): ImagePairs {
  const people = new Set(named.flatMap(({ first, second }) => [first.person, second.person]));
  const imagesByStem = indexByStem(classes.filter(({ name }) => people.has(name)));
  const index = new ImageIndex();
  const pairs: ImagePair[] = [];
  const skipped: string[] = [];
  for (const { first, second, same } of named) {
    const images = [first, second].map((photo) => imagesByStem.get(stemOf(photo)));
    const missing = [first, second].find((_, place) => !images[place]);
    if (missing) skipped.push(`${missing.person} ${missing.number}: image not found`);
    else pairs.push({ first: index.indexOf(images[0]!), second: index.indexOf(images[1]!), same });
  }
  return { images: index.images, pairs, skipped };
}

function stemOf({ person, number }: PersonPhoto): string {
  return `${person}/${person}_${String(number).padStart(4, '0')}`;
}

function indexByStem(classes: readonly DatasetClass[]): Map<string, ImageFile> {
  const images = new Map<string, ImageFile>();
  for (const { name, images: list } of classes)
    for (const image of list) {
      const stem = `${name}/${baseName(image.path)}`;
      const known = images.get(stem);
      if (!known || preference(image.path) < preference(known.path)) images.set(stem, image);
    }
  return images;
}

function preference(path: string): number {
  const place = PREFERRED_EXTENSIONS.indexOf(path.slice(path.lastIndexOf('.') + 1).toLowerCase());
  return place < 0 ? PREFERRED_EXTENSIONS.length : place;
}

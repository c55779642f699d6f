/** Which images train and which validate. */
import { RandomStream, hashKey, permutation } from '../common/random.ts';

export interface ClassImages<Image> {
  readonly name: string;
  readonly images: readonly Image[];
}

export interface Split<Image> {
  readonly train: readonly ClassImages<Image>[];
  /** The same classes in the same order; empty without a split. */
  readonly validation: readonly ClassImages<Image>[];
}

/**
 * Per class: shuffled, the first floor(n·(1 − ratio)) train, at least one validates. A class that would train on fewer
 * than `minimum` images, or has a single image, is left out.
 */
export function splitClasses<Image>(
  classes: readonly ClassImages<Image>[],
  ratio: number,
  minimum: number,
  seed: number,
): Split<Image> {
  if (ratio <= 0) return { train: classes, validation: [] };
  const train: ClassImages<Image>[] = [];
  const validation: ClassImages<Image>[] = [];
  classes.forEach(({ name, images }, index) => {
    const order = permutation(hashKey(seed, RandomStream.split, index), images.length);
    const shuffled = Array.from(order, (place) => images[place]!);
    let count = Math.floor(images.length * (1 - ratio));
    if (count === images.length) count = images.length - 1;
    if (count < minimum || count < 1 || images.length - count < 1) return;
    train.push({ name, images: shuffled.slice(0, count) });
    validation.push({ name, images: shuffled.slice(count) });
  });
  return { train, validation };
}

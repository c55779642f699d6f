/** Decides which images are for training and which for validation. */
import { RandomStream, hashKey, permutation } from '../common/random.ts';

export interface ClassImages<Image> {
  readonly name: string;
  readonly images: readonly Image[];
}

export interface Split<Image> {
  readonly train: readonly ClassImages<Image>[];
  /** The same classes in the same order; empty if the ratio is 0. */
  readonly validation: readonly ClassImages<Image>[];
}

/**
 * Shuffles each class; the first floor(n·(1 − ratio)) images are for training, and at least one is for validation. A
 * class is left out if it has a single image, or if fewer than `minimum` images would be for training.
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

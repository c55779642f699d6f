/**
 * The original's split of a dataset for its classifier. People with fewer images than a minimum are left out. A fixed
 * number of images of each other person is for training, and the rest is for testing.
 */
import { hashKey, permutation, RandomStream } from '../../common/random.ts';

export interface SplitSettings {
  readonly minNrofImagesPerClass: number;
  readonly nrofTrainImagesPerClass: number;
  readonly seed: number;
}

export interface SplitPerson<Item> {
  readonly name: string;
  readonly train: readonly Item[];
  readonly test: readonly Item[];
}

/** The items of each person are shuffled, depending on the seed and the index of the person. */
export function splitPeople<Item>(
  people: readonly { readonly name: string; readonly items: readonly Item[] }[],
  { minNrofImagesPerClass, nrofTrainImagesPerClass, seed }: SplitSettings,
): { readonly split: SplitPerson<Item>[]; readonly leftOut: { name: string; items: readonly Item[] }[] } {
  const split: SplitPerson<Item>[] = [];
  const leftOut: { name: string; items: readonly Item[] }[] = [];
  people.forEach(({ name, items }, place) => {
    if (items.length < minNrofImagesPerClass) return void leftOut.push({ name, items });
    const order = permutation(hashKey(seed, RandomStream.split, place), items.length);
    const shuffled = Array.from(order, (index) => items[index]!);
    split.push({
      name,
      train: shuffled.slice(0, nrofTrainImagesPerClass),
      test: shuffled.slice(nrofTrainImagesPerClass),
    });
  });
  return { split, leftOut };
}

/**
 * Makes pairs from any dataset with one folder per class, in the order of LFW's: in each fold, the pairs of one
 * person, then as many pairs of two people. No pair occurs twice. People take turns, so that those with many photos do
 * not dominate.
 */
import type { DatasetClass } from '../files/classes.ts';
import { hashKey, RandomStream } from '../common/random.ts';
import { Draw } from './draw.ts';
import { TooFewPairsError } from './errors.ts';
import { ImageIndex, type ImagePair, type ImagePairs } from './pairs.ts';

export interface GeneratedPairsOptions {
  readonly seed: number;
  readonly folds: number;
  /** Number of pairs of one person in a fold; there are as many of two people. */
  readonly pairsPerFold: number;
}

type Photos = Pick<DatasetClass, 'images'>;

/** Part of the random keys. */
const SAME = 1;
const DIFFERENT = 2;

/** The largest pairsPerFold for which there are enough distinct pairs of both kinds; 0 if there are not enough. */
export function mostPairsPerFold(classes: readonly Photos[], folds: number): number {
  const { same, different } = countPairs(classes);
  return Math.floor(Math.min(same, different) / folds);
}

function countPairs(classes: readonly Photos[]): { same: number; different: number } {
  const photos = classes.reduce((sum, { images }) => sum + images.length, 0);
  const same = classes.reduce((sum, { images }) => sum + pairsAmong(images.length), 0);
  return { same, different: pairsAmong(photos) - same };
}

/** @throws TooFewPairsError if the dataset does not have enough distinct pairs */
export function generatePairs(
  classes: readonly DatasetClass[],
  { seed, folds, pairsPerFold }: GeneratedPairsOptions,
): ImagePairs {
  const most = mostPairsPerFold(classes, folds);
  if (pairsPerFold < 1 || pairsPerFold > most)
    throw new TooFewPairsError(tooFewMessage(classes, folds, pairsPerFold, most));
  const index = new ImageIndex();
  const wanted = folds * pairsPerFold;
  const same = drawSamePairs(classes, index, wanted, hashKey(seed, RandomStream.pairs, SAME));
  const different = drawDifferentPairs(classes, index, wanted, hashKey(seed, RandomStream.pairs, DIFFERENT));
  const pairs = Array.from({ length: folds }, (_, fold) => {
    const [from, to] = [fold * pairsPerFold, (fold + 1) * pairsPerFold];
    return [...same.slice(from, to), ...different.slice(from, to)];
  }).flat();
  return { images: index.images, pairs, skipped: [] };
}

function tooFewMessage(classes: readonly Photos[], folds: number, wanted: number, most: number): string {
  const { same, different } = countPairs(classes);
  const wish = `${folds} folds of ${wanted} pairs of one person and ${wanted} pairs of two people cannot be made`;
  const have = `the photos allow ${same} pairs of one person and ${different} of two people`;
  const advice =
    most >= 1
      ? `Ask for at most ${most} pairs in a fold`
      : 'Add people with at least two photos each, or use fewer folds (lfw_nrof_folds)';
  return `${wish}: ${have}. ${advice}.`;
}

function drawSamePairs(
  classes: readonly DatasetClass[],
  index: ImageIndex,
  wanted: number,
  key: number,
): ImagePair[] {
  return takeTurns(key, wanted, classes.length, (group) => pairsAmong(classes[group]!.images.length)).map(
    ({ group, member }) => {
      const { images } = classes[group]!;
      const [first, second] = pairAt(member);
      return { first: index.indexOf(images[first]!), second: index.indexOf(images[second]!), same: true };
    },
  );
}

function drawDifferentPairs(
  classes: readonly DatasetClass[],
  index: ImageIndex,
  wanted: number,
  key: number,
): ImagePair[] {
  const imagesOf = (group: number) => {
    const [one, other] = pairAt(group);
    return [classes[one]!.images, classes[other]!.images] as const;
  };
  const sizeOf = (group: number): number => {
    const [ones, others] = imagesOf(group);
    return ones.length * others.length;
  };
  return takeTurns(key, wanted, pairsAmong(classes.length), sizeOf).map(({ group, member }) => {
    const [ones, others] = imagesOf(group);
    const first = ones[Math.floor(member / others.length)]!;
    const second = others[member % others.length]!;
    return { first: index.indexOf(first), second: index.indexOf(second), same: false };
  });
}

/**
 * Takes distinct members of groups. In each round every group, in random order, gives one of its remaining members.
 * @param sizeOf gives the number of members of a group
 */
function takeTurns(
  key: number,
  wanted: number,
  groupCount: number,
  sizeOf: (group: number) => number,
): { group: number; member: number }[] {
  const taken: { group: number; member: number }[] = [];
  const members = new Map<number, Draw>();
  /** The groups with members left. Known after the first round, which visits every group until enough is taken. */
  let groups: number[] | undefined;
  for (let round = 0; taken.length < wanted; round++) {
    const order = new Draw(hashKey(key, 0, round), groups?.length ?? groupCount);
    const withMore: number[] = [];
    for (let at = order.next(); at !== undefined && taken.length < wanted; at = order.next()) {
      const group = groups ? groups[at]! : at;
      let draw = members.get(group);
      if (!draw) {
        draw = new Draw(hashKey(key, 1, group), sizeOf(group));
        members.set(group, draw);
      }
      const member = draw.next();
      if (member !== undefined) taken.push({ group, member });
      if (draw.left > 0) withMore.push(group);
    }
    groups = withMore;
  }
  return taken;
}

/** Number of unordered pairs among `count` things. */
function pairsAmong(count: number): number {
  return (count * (count - 1)) / 2;
}

/** The pair (i, j), i < j, with the number j·(j − 1)/2 + i. The pairs in order: 0 1, 0 2, 1 2, 0 3 … */
function pairAt(number: number): [number, number] {
  let second = Math.floor((1 + Math.sqrt(1 + 8 * number)) / 2);
  // The square root is rounded, so correct the result.
  while (pairsAmong(second) > number) second--;
  while (pairsAmong(second + 1) <= number) second++;
  return [number - pairsAmong(second), second];
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DatasetClass } from '../../../workers/files/classes.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { Draw } from '../../../workers/evaluation/draw.ts';
import { TooFewPairsError } from '../../../workers/evaluation/errors.ts';
import { generatePairs, mostPairsPerFold } from '../../../workers/evaluation/generate_pairs.ts';
import type { ImagePairs } from '../../../workers/evaluation/pairs.ts';

const directory = new MemoryDirectory();

function makeClasses(sizes: readonly number[]): DatasetClass[] {
  return sizes.map((size, label) => {
    const name = `Person${label}`;
    const images = Array.from({ length: size }, (_, photo) => ({
      path: `${name}/${name}_${String(photo + 1).padStart(4, '0')}.jpg`,
      directory,
    }));
    return { name, images };
  });
}

function described({ images, pairs }: ImagePairs): string[] {
  return pairs.map(({ first, second, same }) =>
    [[images[first]!.path, images[second]!.path].sort().join(' '), same].join(' '),
  );
}

describe('Draw', () => {
  it('gives every number once, and depends on nothing but its key', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 200 }), (key, count) => {
        const take = (): (number | undefined)[] => {
          const draw = new Draw(key, count);
          return Array.from({ length: count + 1 }, () => draw.next());
        };
        const taken = take();
        expect(taken.pop()).toBeUndefined();
        expect([...taken].sort((a, b) => a! - b!)).toEqual(Array.from({ length: count }, (_, i) => i));
        expect(take().slice(0, -1)).toEqual(taken);
      }),
    );
  });

  it('is uniform, beyond 24 bits too', () => {
    const count = 1e12;
    const draw = new Draw(7, count);
    const taken = Array.from({ length: 4000 }, () => draw.next()!);
    const mean = taken.reduce((sum, value) => sum + value, 0) / taken.length;
    expect(Math.abs(mean / count - 0.5)).toBeLessThan(4 / Math.sqrt(12 * taken.length));
    expect(new Set(taken.map((value) => value % 1024)).size).toBeGreaterThan(900);
  });
});

const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 12 });

describe('generatePairs', () => {
  it('makes folds of as many distinct pairs of both kinds, correctly labelled', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.integer({ min: 1, max: 6 }), fc.nat(), (list, seed, folds, wish) => {
        const classes = makeClasses(list);
        const most = mostPairsPerFold(classes, folds);
        fc.pre(most > 0);
        const pairsPerFold = 1 + (wish % most);
        const generated = generatePairs(classes, { seed, folds, pairsPerFold });
        expect(generated.pairs).toHaveLength(2 * folds * pairsPerFold);
        generated.pairs.forEach(({ first, second, same }, index) => {
          expect(same).toBe(index % (2 * pairsPerFold) < pairsPerFold);
          expect(first).not.toBe(second);
          const people = [first, second].map((image) => generated.images[image]!.path.split('/')[0]);
          expect(people[0] === people[1]).toBe(same);
        });
        expect(new Set(described(generated)).size).toBe(generated.pairs.length);
        const used = new Set(generated.pairs.flatMap(({ first, second }) => [first, second]));
        expect(used.size).toBe(generated.images.length);
      }),
    );
  });

  it('can use up every pair there is', () => {
    const classes = makeClasses([3, 4, 1]);
    // 3 + 6 pairs of one person; 12 + 3 + 4 of two.
    expect(mostPairsPerFold(classes, 3)).toBe(3);
    const generated = generatePairs(classes, { seed: 1, folds: 3, pairsPerFold: 3 });
    expect(generated.pairs.filter(({ same }) => same)).toHaveLength(9);
  });

  it('depends on the seed and on nothing else', () => {
    const make = (seed: number): string[] =>
      described(generatePairs(makeClasses([5, 5, 5, 5, 5]), { seed, folds: 5, pairsPerFold: 6 }));
    expect(make(3)).toEqual(make(3));
    expect(make(3)).not.toEqual(make(4));
  });

  it('lets people take turns, however many photos each has', () => {
    const { images, pairs } = generatePairs(makeClasses([500, 4, 4, 4, 4]), {
      seed: 1,
      folds: 5,
      pairsPerFold: 4,
    });
    const counts = new Map<string, number>();
    for (const { first, same } of pairs)
      if (same) {
        const person = images[first]!.path.split('/')[0]!;
        counts.set(person, (counts.get(person) ?? 0) + 1);
      }
    expect([...counts.values()]).toEqual([4, 4, 4, 4, 4]);
  });

  it('draws from millions of possible pairs without listing them', () => {
    const classes = makeClasses(Array.from({ length: 3000 }, (_, label) => 20 + (label % 60)));
    const startedAt = performance.now();
    const { pairs } = generatePairs(classes, { seed: 1, folds: 10, pairsPerFold: 300 });
    expect(pairs).toHaveLength(6000);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it.each([
    [[5, 5], 10, 3, /at most 2 pairs/],
    [[1, 1, 1], 2, 1, /at least two photos/],
    [[9], 2, 1, /36 pairs of one person and 0 of two people/],
  ])('says what is missing with photos %j', (list, folds, pairsPerFold, message) => {
    const generate = () => generatePairs(makeClasses(list), { seed: 1, folds, pairsPerFold });
    expect(generate).toThrow(TooFewPairsError);
    expect(generate).toThrow(message);
  });
});

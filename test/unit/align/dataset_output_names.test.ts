import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { OutputNames } from '../../../workers/jobs/output_names.ts';
import { inGroups, readAhead } from '../../../workers/jobs/read_ahead.ts';

const directory = new MemoryDirectory();
const images = (...paths: string[]) => paths.map((path) => ({ path, directory }));
const namesOf = (list: ReturnType<typeof images>) => {
  const folders = new Set(list.map(({ path }) => path[0]!));
  return new OutputNames(
    [...folders].map((name) => ({ name, images: list.filter(({ path }) => path[0] === name) })),
  );
};

describe('OutputNames', () => {
  it('names faces as their photos, and numbers the later of two of one name', () => {
    const list = images('A/a.jpg', 'A/a.png', 'A/b.c.jpg', 'B/a.jpg', 'A/a.jpg');
    const names = namesOf(list);
    expect(list.map((image) => names.stemOf(image))).toEqual(['A/a', 'A/a-2', 'A/b.c', 'B/a', 'A/a-3']);
    expect(names.renamed(list)).toEqual([
      { path: 'A/a.png', outputPath: 'A/a-2.png' },
      { path: 'A/a.jpg', outputPath: 'A/a-3.png' },
    ]);
  });

  it('never gives one name twice, nor a name that another photo has by itself', () => {
    const path = fc.tuple(
      fc.constantFrom('A', 'B'),
      fc.constantFrom('x', 'x-2', 'x-3', 'y'),
      fc.constantFrom('jpg', 'png'),
    );
    fc.assert(
      fc.property(fc.array(path, { maxLength: 24 }), (parts) => {
        const list = images(...parts.map(([folder, name, kind]) => `${folder}/${name}.${kind}`));
        const names = namesOf(list);
        const stems = list.map((image) => names.stemOf(image));
        expect(new Set(stems).size).toBe(list.length);
        const own = new Set(parts.map(([folder, name]) => `${folder}/${name}`));
        for (const stem of own) expect(stems).toContain(stem);
      }),
    );
  });
});

it('groups are bounded by number and by weight; one that is too heavy is alone', async () => {
  const weights = [1, 1, 1, 5, 2, 2, 9, 1];
  const groups: number[][] = [];
  const source = (async function* () {
    yield* weights;
  })();
  for await (const group of inGroups(source, 3, 6, (weight) => weight)) groups.push(group);
  expect(groups).toEqual([[1, 1, 1], [5], [2, 2], [9], [1]]);
});

describe('readAhead', () => {
  it('gives results in order, failures included, with a bounded number under way', async () => {
    let running = 0;
    let most = 0;
    const results: unknown[] = [];
    const source = inGroups(
      (async function* () {
        yield* Array.from({ length: 11 }, (_, index) => index);
      })(),
      2,
      1000,
      (number) => number,
    );
    for await (const { item, result } of readAhead(source, 3, async (group) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, group[0]! % 4));
      running--;
      if (group.includes(4)) throw new Error('four');
      return group.reduce((sum, value) => sum + value, 0);
    }))
      results.push([item, result.status === 'fulfilled' ? result.value : (result.reason as Error).message]);
    expect(results).toEqual([
      [[0, 1], 1],
      [[2, 3], 5],
      [[4, 5], 'four'],
      [[6, 7], 13],
      [[8, 9], 17],
      [[10], 10],
    ]);
    expect(most).toBeLessThanOrEqual(4);
    expect(most).toBeGreaterThan(1);
  });

  it('passes a failure of its source on, and stops reading when nobody reads on', async () => {
    const broken = (async function* () {
      yield 1;
      throw new Error('source');
    })();
    const read = async (): Promise<number> => {
      let count = 0;
      for await (const _ of readAhead(broken, 2, async (value) => value)) count++;
      return count;
    };
    await expect(read()).rejects.toThrow('source');
    let taken = 0;
    const endless = (function* () {
      for (;;) yield taken++;
    })();
    for await (const { item } of readAhead(endless, 2, async (value) => value)) if (item === 3) break;
    expect(taken).toBeLessThanOrEqual(8);
  });
});

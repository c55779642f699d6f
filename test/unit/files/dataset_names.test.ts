import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readClasses } from '../../../workers/files/classes.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { compareNames } from '../../../workers/protocol/data/names.ts';

/** Python's order: code point by code point. */
function pythonOrder(a: string, b: string): number {
  const [pointsA, pointsB] = [Array.from(a), Array.from(b)].map((characters) =>
    characters.map((character) => character.codePointAt(0)!),
  ) as [number[], number[]];
  for (let i = 0; i < Math.min(pointsA.length, pointsB.length); i++)
    if (pointsA[i] !== pointsB[i]) return pointsA[i]! - pointsB[i]!;
  return pointsA.length - pointsB.length;
}

describe('the order of names', () => {
  it('is Python’s for any two names', () => {
    const unit = fc.oneof(
      fc.constantFrom('a', 'Z', 'é', '\u{e000}', 'ﬁ', '～', '😀', '𠀀', '\u{10ffff}'),
      fc
        .integer({ min: 0, max: 0x10ffff })
        .filter((point) => point < 0xd800 || point > 0xdfff)
        .map((point) => String.fromCodePoint(point)),
    );
    const name = fc.array(unit, { maxLength: 5 }).map((units) => units.join(''));
    fc.assert(
      fc.property(name, name, (a, b) => {
        return Math.sign(compareNames(a, b)) === Math.sign(pythonOrder(a, b));
      }),
    );
  });

  it('gives the labels: a name with an emoji comes after a full-width one', async () => {
    const directory = new MemoryDirectory(
      'faces',
      Object.fromEntries(['😀', '～', '𠀀', 'z', '\u{e000}'].map((name) => [`${name}/1.png`, 'a picture'])),
    );
    const { classes } = await readClasses([directory]);
    expect(classes.map(({ name }) => name)).toEqual(['z', '\u{e000}', '～', '😀', '𠀀']);
  });
});

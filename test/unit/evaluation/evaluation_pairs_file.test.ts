import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DatasetClass, ImageFile } from '../../../workers/files/classes.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { MalformedPairsFileError } from '../../../workers/evaluation/errors.ts';
import { resolvePairs } from '../../../workers/evaluation/pairs.ts';
import { parsePairsFile, type NamedPair, type PairsFile } from '../../../workers/evaluation/pairs_file.ts';

const nameOf = fc.stringMatching(/^[A-Za-z0-9_.'\u00c0-\u024f-]{1,20}$/);
const number = fc.integer({ min: 0, max: 99999 });
const samePair: fc.Arbitrary<NamedPair> = fc
  .tuple(nameOf, number, number)
  .map(([person, i, j]) => ({ first: { person, number: i }, second: { person, number: j }, same: true }));
const differentPair: fc.Arbitrary<NamedPair> = fc
  .tuple(nameOf, number, nameOf, number)
  .filter(([a, , b]) => a !== b)
  .map(([a, i, b, j]) => ({
    first: { person: a, number: i },
    second: { person: b, number: j },
    same: false,
  }));
const pairsFile: fc.Arbitrary<PairsFile> = fc.record({
  folds: fc.integer({ min: 1, max: 20 }),
  pairsPerFold: fc.integer({ min: 1, max: 1000 }),
  pairs: fc.array(fc.oneof(samePair, differentPair), { minLength: 1, maxLength: 30 }),
});

/** The format of LFW's own files. */
function formatPairsFile({ folds, pairsPerFold, pairs }: PairsFile): string {
  const lines = pairs.map(({ first, second, same }) =>
    same
      ? [first.person, first.number, second.number]
      : [first.person, first.number, second.person, second.number],
  );
  return [[folds, pairsPerFold], ...lines].map((fields) => `${fields.join('\t')}\n`).join('');
}

describe('parsePairsFile', () => {
  it('reads any pairs as LFW writes them', () => {
    fc.assert(
      fc.property(pairsFile, (file) => {
        expect(parsePairsFile(formatPairsFile(file))).toEqual(file);
      }),
    );
  });

  it('accepts tabs or spaces, LF or CRLF, blank lines and a byte order mark', () => {
    const separator = fc.constantFrom('\t', ' ', '   ', '\t\t', ' \t ');
    const newline = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '  \r\n \r\n');
    fc.assert(
      fc.property(pairsFile, separator, newline, fc.boolean(), (file, between, end, mark) => {
        const text = formatPairsFile(file).replaceAll('\t', between).replaceAll('\n', end);
        expect(parsePairsFile((mark ? '\uFEFF' : '') + text)).toEqual(file);
      }),
    );
  });

  it('reads both forms of the header', () => {
    const pair = 'Tony_Blair\t1\t7\n';
    expect(parsePairsFile(`10\t300\n${pair}`)).toMatchObject({ folds: 10, pairsPerFold: 300 });
    expect(parsePairsFile(`300\n${pair}`)).toMatchObject({ folds: 1, pairsPerFold: 300 });
  });

  it('reads names with spaces and names of digits where tabs separate', () => {
    const { pairs } = parsePairsFile('1\t1\nTony Blair\t1\t7\n12\t1\tTony Blair\t2\n');
    expect(pairs).toEqual([
      { first: { person: 'Tony Blair', number: 1 }, second: { person: 'Tony Blair', number: 7 }, same: true },
      { first: { person: '12', number: 1 }, second: { person: 'Tony Blair', number: 2 }, same: false },
    ]);
  });

  it.each([
    ['A header in words', 'name\timagenum1\timagenum2'],
    ['A header that promises nothing', '10 0'],
    ['A comment', '# 300 pairs of each kind'],
    ['A blank line', ''],
    ['Comments above a header', '# LFW\n# 10 folds\n10 300'],
    ['A blank line above a header', '\n10 300'],
  ])('%s is no pair, as in the original', (_title, header) => {
    const file = parsePairsFile(`${header}\nA 1 2\nB 3 C 4\n`);
    expect(file.pairs.map(({ first }) => first.person)).toEqual(['A', 'B']);
    expect(file.skippedFirstLine).toBeUndefined();
  });

  it('skips the first line of a file without a header, as the original does, and says so', () => {
    const file = parsePairsFile('A 1 2\nB 3 C 4\nD 1 2\n');
    expect(file.pairs.map(({ first }) => first.person)).toEqual(['B', 'D']);
    expect(file).toMatchObject({ skippedFirstLine: 'A 1 2', pairsPerFold: undefined });
  });

  it('ignores comment lines anywhere, but not people whose name begins with #', () => {
    const { pairs } = parsePairsFile('1\n# fold 1\nA 1 2\n#1_fan 1 2\n  # the end\n');
    expect(pairs.map(({ first }) => first.person)).toEqual(['A', '#1_fan']);
  });

  it('takes a time that grows with the file alone, also for lines of many separators', () => {
    for (const character of [' ', '\t', '\t ', 'a ', '#']) {
      const startedAt = performance.now();
      const long = `x${character.repeat(200_000)}y`;
      expect(() => parsePairsFile(`1\n${long}\n`)).toThrow(MalformedPairsFileError);
      expect(performance.now() - startedAt).toBeLessThan(2000);
    }
  });

  it.each([
    ['', 1],
    ['Tony_Blair 1 2\n', 1],
    ['10 300\n', 1],
    ['\n\n10 300\nA 1 2\n\nA one 2\n', 6],
    ['1\nA 1 2\nA 1\n', 3],
    ['1\nA 1 2\nA 1 B 2 C 3\n', 3],
    ['1\nA -1 2\n', 2],
    ['1\nA 1.5 2\n', 2],
    ['1\nA 1 B\n', 2],
    ['1\nA 1 A 2\n', 2],
  ])('names the line at fault in %j', (text, line) => {
    expect(() => parsePairsFile(text)).toThrow(MalformedPairsFileError);
    expect(() => parsePairsFile(text)).toThrow(new RegExp(`Line ${line} of the pairs file`));
  });

  it('throws nothing but its own error, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('1', 'A', ' ', '\t', '\n') })),
        (text) => {
          try {
            expect(parsePairsFile(text).pairs.length).toBeGreaterThan(0);
          } catch (error) {
            if (!(error instanceof MalformedPairsFileError)) throw error;
          }
        },
      ),
    );
  });
});

function makeClasses(...paths: string[]): DatasetClass[] {
  const directory = new MemoryDirectory();
  const classes = new Map<string, ImageFile[]>();
  for (const path of paths) {
    const name = path.slice(0, path.indexOf('/'));
    classes.set(name, [...(classes.get(name) ?? []), { path, directory }]);
  }
  return [...classes].map(([name, images]) => ({ name, images }));
}

describe('resolvePairs', () => {
  it('finds jpg and png, and counts what is missing with its cause', () => {
    const { pairs } = parsePairsFile('1 2\nA 1 2\nA 1 B 3\nB 3 4\nC 1 A 2\nA 2 A_ 1\n');
    const resolved = resolvePairs(
      pairs,
      makeClasses('A/A_0001.jpg', 'A/A_0002.png', 'B/B_0003.PNG', 'A/A_1.jpg'),
    );
    const paths = resolved.pairs.map(({ first, second }) => [
      resolved.images[first]!.path,
      resolved.images[second]!.path,
    ]);
    expect(paths).toEqual([
      ['A/A_0001.jpg', 'A/A_0002.png'],
      ['A/A_0001.jpg', 'B/B_0003.PNG'],
    ]);
    expect(resolved.images).toHaveLength(3);
    expect(resolved.skipped).toEqual([
      'B 4: image not found',
      'C 1: image not found',
      'A_ 1: image not found',
    ]);
  });

  it('prefers jpg, then png, then any other kind, in whatever order they are listed', () => {
    const { pairs } = parsePairsFile('1\nA 1 2\n');
    const resolved = resolvePairs(
      pairs,
      makeClasses('A/A_0001.bmp', 'A/A_0001.png', 'A/A_0001.jpg', 'A/A_0002.png', 'A/A_0002.bmp'),
    );
    expect(resolved.images.map(({ path }) => path)).toEqual(['A/A_0001.jpg', 'A/A_0002.png']);
  });

  it('takes numbers beyond four digits', () => {
    const { pairs } = parsePairsFile('1\nA 12345 1\n');
    expect(resolvePairs(pairs, makeClasses('A/A_12345.jpg', 'A/A_0001.jpg')).pairs).toHaveLength(1);
  });
});

const realPairsPath = '../shared/data/lfw-test-pairs.txt';
describe.skipIf(!existsSync(realPairsPath))('a real pairs file', () => {
  it('has the pairs that its header promises, in folds of both kinds', () => {
    const text = readFileSync(realPairsPath, 'utf8');
    const { folds, pairsPerFold, pairs } = parsePairsFile(text);
    expect(pairs).toHaveLength(folds * pairsPerFold! * 2);
    expect(pairs.filter(({ same }) => same)).toHaveLength(folds * pairsPerFold!);
    expect(formatPairsFile({ folds, pairsPerFold, pairs })).toBe(text);
  });

  it('names photos that are all there', () => {
    const { pairs } = parsePairsFile(readFileSync(realPairsPath, 'utf8'));
    const folder = '../shared/data/lfw-test';
    const paths = readdirSync(folder).flatMap((name) =>
      readdirSync(`${folder}/${name}`).map((file) => `${name}/${file}`),
    );
    const resolved = resolvePairs(pairs, makeClasses(...paths));
    expect(resolved.skipped).toEqual([]);
    expect(resolved.pairs).toHaveLength(pairs.length);
    expect(resolved.images.map(({ path }) => path).sort()).toEqual(paths.sort());
  });
});

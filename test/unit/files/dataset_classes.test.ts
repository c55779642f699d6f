import { describe, expect, it } from 'vitest';
import { readClasses } from '../../../workers/files/classes.ts';
import type { DatasetTotals } from '../../../workers/protocol/data/dataset.ts';
import { NoImagesError } from '../../../workers/protocol/data/file_errors.ts';
import { Examples } from '../../../workers/files/examples.ts';
import { baseName, isImagePath } from '../../../workers/protocol/data/images.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';

function folder(...paths: string[]): MemoryDirectory {
  return new MemoryDirectory('photos', Object.fromEntries(paths.map((path) => [path, 'x'])));
}

describe('readClasses', () => {
  it('takes the images directly in a subfolder, sorts by code point, and counts the rest', async () => {
    const dataset = await readClasses([
      folder(
        'b/2.JPG',
        'b/10.jpg',
        'a/1.png',
        'Z/1.webp',
        'a/notes.txt',
        'loose.jpg',
        'a/inner/1.jpg',
        'c/.jpg',
      ),
    ]);
    expect(dataset.classes.map(({ name, images }) => [name, images.map(({ path }) => path)])).toEqual([
      ['Z', ['Z/1.webp']],
      ['a', ['a/1.png']],
      ['b', ['b/10.jpg', 'b/2.JPG']],
    ]);
    expect(dataset).toMatchObject({ imageCount: 4, ignoredCount: 4 });
    expect(dataset.ignoredExamples).toEqual(['a/notes.txt', 'loose.jpg', 'a/inner/1.jpg', 'c/.jpg']);
  });

  it('unites folders by class name', async () => {
    const [first, second] = [folder('a/1.jpg', 'b/1.jpg'), folder('a/1.jpg', 'c/1.jpg')];
    const { classes, name } = await readClasses([first, second]);
    expect(name).toBe('photos + photos');
    expect(classes.map((one) => [one.name, one.images.length])).toEqual([
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ]);
    expect(classes[0]!.images.map(({ directory }) => directory)).toEqual([first, second]);
  });

  it('keeps names with spaces, quotes and any script', async () => {
    const paths = [`Zoë "Z" O'Neil/bild 1.jpg`, '山田 太郎/写真.png', '__proto__/a.jpg'];
    const { classes } = await readClasses([folder(...paths)]);
    expect(classes.flatMap(({ images }) => images.map(({ path }) => path)).sort()).toEqual([...paths].sort());
  });

  it('explains what a dataset is if there is none', async () => {
    await expect(readClasses([folder('readme.txt', 'a/b/c.jpg')])).rejects.toThrow(NoImagesError);
    await expect(readClasses([folder('readme.txt')])).rejects.toThrow(
      /1 other file was ignored.*one subfolder per person/s,
    );
  });

  it('reports progress and stops on request', async () => {
    const many = folder(...Array.from({ length: 1200 }, (_, index) => `c${index % 7}/${index}.jpg`));
    const seen: DatasetTotals[] = [];
    await readClasses([many], (totals) => seen.push(totals));
    expect(seen.at(-1)).toEqual({ fileCount: 1200, imageCount: 1200, classCount: 7 });
    await expect(readClasses([many], undefined, AbortSignal.abort())).rejects.toThrow(/abort/i);
  });
});

describe('Examples', () => {
  const examplesOf = (count: number, paths: readonly string[]): string[] => {
    const examples = new Examples(count);
    for (const path of paths) examples.add(path.slice(0, path.indexOf('/')), path);
    return examples.paths;
  };

  it('are of every class in turn, and evenly from many', () => {
    const few = ['b/1.jpg', 'a/1.jpg', 'a/3.jpg', 'a/2.jpg'];
    expect(examplesOf(3, few)).toEqual(['a/1.jpg', 'b/1.jpg', 'a/2.jpg']);
    expect(examplesOf(99, few)).toEqual(['a/1.jpg', 'b/1.jpg', 'a/2.jpg', 'a/3.jpg']);
    const many = Array.from({ length: 10 }, (_, index) => [`c${index}/1.jpg`, `c${index}/2.jpg`]).flat();
    expect(examplesOf(5, many)).toEqual([0, 2, 4, 6, 8].map((n) => `c${n}/1.jpg`));
    expect(examplesOf(5, [])).toEqual([]);
  });
});

it('knows image names', () => {
  expect(['a/b.jpg', 'b.JPEG', 'c.d.png', 'x.avif'].every(isImagePath)).toBe(true);
  expect(['jpg', '.jpg', 'a/.png', 'a.jpg/readme', 'a.jp2', 'a.heic'].some(isImagePath)).toBe(false);
  expect(['a/b.c.jpg', 'a', '.x'].map(baseName)).toEqual(['b.c', 'a', '.x']);
});

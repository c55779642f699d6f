/** Every file in the folders of a dataset is used, fails, or is reported with a reason. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readClasses } from '../../../workers/files/classes.ts';
import { NoImagesError } from '../../../workers/protocol/data/file_errors.ts';
import { isPhotoPath } from '../../../workers/protocol/data/images.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { photoFormatOfPath } from '../../../workers/protocol/data/photo_formats.ts';
import { describeSkipped, skippedPhotoCount } from '../../../workers/protocol/data/skipped_files.ts';

const name = fc.constantFrom('a', 'b.c', 'Ünï', 'notes', 'bounding_boxes_00001', 'alignment_00001', 'x y');
const extension = fc.constantFrom(
  ...['jpg', 'JPEG', 'png', 'webp', 'tif', 'TIFF', 'ppm', 'jp2', 'ico', 'heic', 'dng', 'psd', 'svg', 'jxl'],
  ...['txt', 'jsonl', 'mp4', 'pdf', 'json', ''],
);
const file = fc
  .tuple(fc.array(fc.constantFrom('A', 'B', 'C d'), { maxLength: 3 }), name, extension)
  .map(([folders, stem, end]) => [...folders, end === '' ? stem : `${stem}.${end}`].join('/'));

describe('files of a dataset', () => {
  it.each([
    ['as embedding reads it', undefined],
    ['as alignment reads it', isPhotoPath],
  ])('are used, or counted with a reason: together they are all files, %s', async (_, isWanted) => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(file, { minLength: 1, maxLength: 60 }), async (paths) => {
        const folder = new MemoryDirectory('in', Object.fromEntries(paths.map((path) => [path, path])));
        const read = await readClasses([folder], undefined, undefined, isWanted).catch(
          (error: unknown) => error,
        );
        if (read instanceof NoImagesError) return;
        const { classes, imageCount, skipped } = read as Awaited<ReturnType<typeof readClasses>>;
        const used = classes.flatMap(({ images }) => images.map(({ path }) => path));
        expect(used).toHaveLength(imageCount);
        const skippedCount = skipped.reduce((sum, { count }) => sum + count, 0);
        expect(imageCount + skippedCount).toBe(paths.length);
        // Each file that looks like a photo is used, or named as an unused photo.
        const photos = paths.filter((path) => photoFormatOfPath(path) !== undefined);
        expect(imageCount + skippedPhotoCount(skipped)).toBe(photos.length);
        // Also in words: the numbers at the beginning of the sentences.
        const notes = skipped
          .filter(({ reason }) => reason === 'note')
          .reduce((sum, { count }) => sum + count, 0);
        const told = describeSkipped(skipped).reduce((sum, sentence) => sum + parseInt(sentence), 0);
        expect(told + notes).toBe(skippedCount);
        for (const { count, examples } of skipped) {
          expect(examples.length).toBe(Math.min(count, 20));
          for (const path of examples) expect(used).not.toContain(path);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('that look like photos are reported by reason, with names and advice', async () => {
    const paths = [
      'A/1.jpg',
      'A/2.tiff',
      'A/3.heic',
      'loose.png',
      '2023/Ben/4.jpg',
      'A/notes.txt',
      'A/5.jp2',
    ];
    const folder = new MemoryDirectory('in', Object.fromEntries(paths.map((path) => [path, ''])));
    const { skipped } = await readClasses([folder]);
    const sentences = describeSkipped(skipped).join('\n');
    expect(sentences).toContain(
      '1 photo is not inside a person’s folder and will not be used: loose.png. Move it into a folder with the person’s name.',
    );
    expect(sentences).toContain(
      '1 photo is in a subfolder of a person’s folder and will not be used: 2023/Ben/4.jpg.',
    );
    expect(sentences).toContain('1 HEIC photo will not be used');
    expect(sentences).toContain('JPEG 2000');
    expect(sentences).toContain('A/notes.txt');
  });

  it('make a true message where no photo is in its place', async () => {
    const folder = new MemoryDirectory('Ben', { 'a.jpg': '', 'b.jpg': '', 'notes.txt': '' });
    await expect(readClasses([folder])).rejects.toThrow(
      /No photos were found in the person folders of "Ben" \(1 other file was ignored\)\. 2 photos are not inside a person’s folder/,
    );
    const nested = new MemoryDirectory('all', { '2023/Ben/a.jpg': '' });
    await expect(readClasses([nested])).rejects.toThrow(
      /1 photo is in a subfolder of a person’s folder.*2023\/Ben\/a\.jpg/,
    );
  });
});

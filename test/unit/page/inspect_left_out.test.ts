/**
 * Photos that are left out of a dataset are not listed, remembered with the folder, counted, and not used for
 * training.
 */
import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { countLeftOut, withLeftOut } from '../../../src/choose/left_out.ts';
import { readClasses } from '../../../workers/files/classes.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/directories.ts';
import { openDirectories, openDirectory } from '../../../workers/files/open.ts';
import { readTrainingData } from '../../../workers/jobs/train/training_data.ts';
import type { DatasetSummary } from '../../../workers/protocol/data/dataset.ts';
import { openDatabase } from '../../../workers/storage/database.ts';
import { listFolders, recallLeftOut, rememberFolder } from '../../../workers/storage/folders.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';

function folder(name: string, paths: readonly string[], leftOut?: readonly string[]): DirectoryReference {
  return {
    kind: 'files',
    name,
    files: paths.map((path) => ({ path, file: new File([name], path) })),
    ...(leftOut && { leftOut }),
  };
}

const FIRST = ['Ann/1.png', 'Ann/2.png', 'Bob/1.png', 'Bob/2.png'];
const SECOND = ['Ann/1.png', 'Cy/1.png', 'Cy/2.png'];

describe('a folder without some of its photos', () => {
  it('does not list them, and reads them for those who know', async () => {
    const directory = await openDirectory(folder('faces', FIRST, ['Ann/2.png', 'Nobody/1.png']));
    const listed: string[] = [];
    for await (const { path } of directory.list()) listed.push(path);
    expect(listed.sort()).toEqual(['Ann/1.png', 'Bob/1.png', 'Bob/2.png']);
    expect(directory.name).toBe('faces');
    expect(await (await directory.read('Ann/2.png')).text()).toBe('faces');
    expect(await directory.exists('Ann/2.png')).toBe(true);
  });

  it('loses them in its own part of a union only', async () => {
    const directories = await openDirectories([folder('a', FIRST, ['Ann/1.png']), folder('b', SECOND)]);
    const { classes } = await readClasses(directories);
    const ann = classes.find(({ name }) => name === 'Ann')!.images;
    expect(ann.map(({ path, directory }) => `${directory.name} ${path}`).sort()).toEqual([
      'a Ann/2.png',
      'b Ann/1.png',
    ]);
  });

  it('is trained on without them, and without people who have no other', async () => {
    const options = presetOptions('quick-try');
    const read = (leftOut: readonly string[]) =>
      readTrainingData([folder('a', [...FIRST, 'Cy/1.png'], leftOut)], options);
    const pathsOf = async (leftOut: readonly string[]): Promise<string[]> => {
      const { train, validation } = await read(leftOut);
      return [...train, ...validation].map(({ file }) => file.path).sort();
    };
    expect(await pathsOf([])).toHaveLength(5);
    expect(await pathsOf(['Bob/1.png'])).toEqual(['Ann/1.png', 'Ann/2.png', 'Bob/2.png', 'Cy/1.png']);
    expect((await read(['Cy/1.png'])).classNames).toEqual(['Ann', 'Bob']);
  });
});

describe('what is left out of chosen folders', () => {
  const summaryOf = async (folders: readonly DirectoryReference[]): Promise<DatasetSummary> => {
    const { name, classes, imageCount, ignoredCount, ignoredExamples, skipped } = await readClasses(
      await openDirectories(folders),
    );
    return {
      name,
      classes: classes.map((one) => ({ name: one.name, imageCount: one.images.length })),
      imageCount,
      ignoredCount,
      examples: [],
      ignoredExamples,
      skipped,
    };
  };

  it('is counted as if the folders were read again', async () => {
    const all = [
      ...FIRST.map((path) => ({ folder: 0, path })),
      ...SECOND.map((path) => ({ folder: 1, path })),
    ];
    await fc.assert(
      fc.asyncProperty(
        // One photo always stays, because an empty folder is not a dataset.
        fc.array(fc.tuple(fc.subarray(all.slice(1)), fc.boolean()), { maxLength: 6 }),
        async (changes) => {
          let folders: DirectoryReference[] = [folder('a', FIRST), folder('b', SECOND)];
          let summary: DatasetSummary | undefined = await summaryOf(folders);
          for (const [photos, isLeftOut] of changes)
            ({ folders, summary } = withLeftOut(folders, summary, photos, isLeftOut));
          expect(summary).toEqual(await summaryOf(folders));
          expect(countLeftOut(folders)).toBe(all.length - summary!.imageCount);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('folders that are remembered', () => {
  const reference = (path: string, leftOut?: readonly string[]): DirectoryReference => ({
    kind: 'private',
    path,
    ...(leftOut && { leftOut }),
  });

  beforeEach(async () => {
    await (await openDatabase()).clear('folders');
  });

  it('are remembered with what is left out of them, once each', async () => {
    await rememberFolder(reference('aligned/a'), 'aligned');
    await rememberFolder(reference('aligned/a', ['Ann/1.png']), 'aligned');
    const folders = await listFolders('aligned');
    expect(folders.map((one) => one.reference)).toEqual([reference('aligned/a', ['Ann/1.png'])]);
  });

  it('are restored when the folder is chosen again in the same role, unless the folder has its own', async () => {
    await rememberFolder(reference('aligned/a', ['Ann/1.png']), 'aligned');
    const files = folder('a', FIRST);
    const chosen = [reference('aligned/a'), reference('aligned/b'), files];
    expect(await recallLeftOut(chosen, 'aligned')).toEqual([
      reference('aligned/a', ['Ann/1.png']),
      reference('aligned/b'),
      files,
    ]);
    expect(await recallLeftOut([reference('aligned/a')], 'lfw')).toEqual([reference('aligned/a')]);
    expect(await recallLeftOut([reference('aligned/a', [])], 'aligned')).toEqual([
      reference('aligned/a', []),
    ]);
  });
});

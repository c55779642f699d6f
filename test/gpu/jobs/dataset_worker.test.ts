/** The dataset worker as the page uses it: through comlink, with folders of each kind. */
import { proxy, wrap, type Remote } from 'comlink';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HandleDirectory } from '../../../workers/files/handle_directory.ts';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import '../../../workers/rpc/job_control_transfer.ts';
import type { DatasetWorkerApi, DirectoryReference } from '../../../workers/protocol/data/dataset.ts';

describe('dataset.worker', () => {
  let worker: Worker;
  let api: Remote<DatasetWorkerApi>;
  beforeAll(async () => {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('sample-faces', { recursive: true }).catch(() => undefined);
    worker = new Worker(new URL('../../../workers/dataset.worker.ts', import.meta.url), { type: 'module' });
    api = wrap<DatasetWorkerApi>(worker);
  });
  afterAll(() => worker.terminate());

  it('draws sample faces once, as a dataset that it can scan and show', async () => {
    const options = { seed: 77, people: 3, photosPerPerson: 2 };
    const progress: string[] = [];
    const reference = await api.makeSampleFaces(
      options,
      proxy((done: number, total: number) => progress.push(`${done}/${total}`)),
    );
    expect(reference).toMatchObject({ kind: 'private' });
    const summary = await api.scan([reference], new JobControl());
    expect(summary).toMatchObject({ imageCount: 6, ignoredCount: 0 });
    expect(summary.classes.map(({ imageCount }) => imageCount)).toEqual([2, 2, 2]);
    const before = await modificationTimes(reference);
    expect(await api.makeSampleFaces(options)).toEqual(reference);
    expect(await modificationTimes(reference)).toEqual(before);
    expect(progress).toContain('6/6');

    expect(summary.examples).toHaveLength(6);
    expect(new Set(summary.examples.slice(0, 3).map((path) => path.split('/')[0])).size).toBe(3);
    const thumbnails = await api.pictures(await api.open([reference]), summary.examples, {
      sizePx: 32,
      isWhole: false,
    });
    expect(thumbnails.map(({ path }) => path)).toEqual(summary.examples);
    for (const { bitmap } of thumbnails) expect([bitmap.width, bitmap.height]).toEqual([32, 32]);
  });

  it('draws again what was cut off or deleted', async () => {
    const options = { seed: 77, people: 3, photosPerPerson: 2 };
    const reference = await api.makeSampleFaces(options);
    const directory = await openWritableDirectory(reference);
    const [first, second] = (await paths(reference)) as [string, string];
    const before = (await directory.stats!([first, second])).map((stats) => stats?.sizeBytes);
    await directory.write(first, '');
    await directory.remove(second);
    await api.makeSampleFaces(options);
    const after = (await directory.stats!([first, second])).map((stats) => stats?.sizeBytes);
    expect(after).toEqual(before);
  });

  it('scans folders chosen with an input element, leaves hidden files out, and shows nothing for files that are not pictures', async () => {
    const file = new File(['no picture'], 'a.jpg');
    const reference: DirectoryReference = {
      kind: 'files',
      name: 'chosen',
      files: ['P/a.jpg', 'P/.hidden.jpg', 'P/in/b.jpg', 'c.jpg', 'Q/d.PNG', 'Q/e.heic'].map((path) => ({
        path,
        file,
      })),
    };
    expect(await api.scan([reference], new JobControl())).toEqual({
      name: 'chosen',
      classes: [
        { name: 'P', imageCount: 1 },
        // This browser cannot decode one of them; the job that reads it reports that.
        { name: 'Q', imageCount: 2 },
      ],
      imageCount: 3,
      examples: ['P/a.jpg', 'Q/d.PNG', 'Q/e.heic'],
      ignoredCount: 2,
      ignoredExamples: ['P/in/b.jpg', 'c.jpg'],
      skipped: [
        { reason: 'in-no-folder', count: 1, examples: ['c.jpg'] },
        { reason: 'too-deep', count: 1, examples: ['P/in/b.jpg'] },
      ],
    });
    const folder = await api.open([reference]);
    expect(await api.pictures(folder, ['P/a.jpg'], { sizePx: 16, isWhole: false })).toEqual([]);
  });

  it('says what is wrong with an empty folder, by name', async () => {
    const empty: DirectoryReference = { kind: 'files', name: 'holiday', files: [] };
    await expect(api.scan([empty], new JobControl())).rejects.toMatchObject({
      name: 'NoImagesError',
      message: expect.stringContaining('"holiday"'),
    });
  });
});

describe('HandleDirectory', () => {
  it('writes complete files, lists them with their folders, and explains what is missing', async () => {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('test-handle', { recursive: true }).catch(() => undefined);
    const directory = new HandleDirectory(await root.getDirectoryHandle('test-handle', { create: true }));
    await directory.write('a/b/c.txt', 'hello');
    await directory.write('a/b/c.txt', 'bye');
    await directory.write('.hidden', 'x');
    const listed: string[] = [];
    for await (const { path } of directory.list()) listed.push(path);
    expect(listed).toEqual(['a/b/c.txt']);
    expect(await (await directory.read('a/b/c.txt')).text()).toBe('bye');
    expect([
      await directory.exists('a/b/c.txt'),
      await directory.exists('a/b'),
      await directory.exists('z/y'),
    ]).toEqual([true, false, false]);
    await expect(directory.read('z/y')).rejects.toMatchObject({ name: 'FileMissingError' });
    await directory.remove('a/b/c.txt');
    expect(await directory.exists('a/b/c.txt')).toBe(false);
  });

  it('makes a folder again that was removed between two files', async () => {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('test-handle', { recursive: true }).catch(() => undefined);
    const handle = await root.getDirectoryHandle('test-handle', { create: true });
    const directory = new HandleDirectory(handle);
    await directory.write('a/b/1.txt', 'one');
    await directory.write('a/b/2.txt', 'two');
    await handle.removeEntry('a', { recursive: true });
    await directory.write('a/b/3.txt', 'three');
    await directory.write('c/4.txt', 'four');
    const listed: string[] = [];
    for await (const { path } of new HandleDirectory(handle).list()) listed.push(path);
    expect(listed.sort()).toEqual(['a/b/3.txt', 'c/4.txt']);
  });

  it('leaves nothing behind when writing fails, and says that the disk is full', async () => {
    const entries = new Map<string, number>();
    // A folder on a full disk: a file can be created, but nothing can be written to it.
    const file = (name: string) => ({
      name,
      createWritable: async () => ({
        write: async () => {
          throw new DOMException('full', 'QuotaExceededError');
        },
        close: async () => undefined,
        abort: async () => undefined,
      }),
      getFile: async () => ({ size: entries.get(name) }),
    });
    const handle = {
      name: 'disk',
      getFileHandle: async (name: string) => {
        entries.set(name, entries.get(name) ?? 0);
        return file(name);
      },
      removeEntry: async (name: string) => entries.delete(name),
    } as unknown as FileSystemDirectoryHandle;
    entries.set('kept.png', 7);
    const directory = new HandleDirectory(handle);
    await expect(directory.write('new.png', 'x')).rejects.toMatchObject({ name: 'StorageFullError' });
    await expect(directory.write('kept.png', 'x')).rejects.toThrow(/not enough space to write kept\.png/);
    expect([...entries]).toEqual([['kept.png', 7]]);
  });

  it('says so when the permission is gone', async () => {
    const handle = {
      name: 'photos',
      getFileHandle: async () => {
        throw new DOMException('no', 'NotAllowedError');
      },
    } as unknown as FileSystemDirectoryHandle;
    await expect(new HandleDirectory(handle).read('a.jpg')).rejects.toMatchObject({
      name: 'PermissionLostError',
      message: expect.stringContaining('"photos"'),
    });
  });
});

async function paths(reference: DirectoryReference): Promise<string[]> {
  const list: string[] = [];
  for await (const { path } of (await openWritableDirectory(reference)).list()) list.push(path);
  return list.sort();
}

async function modificationTimes(reference: DirectoryReference): Promise<number[]> {
  const directory = await openWritableDirectory(reference);
  return Promise.all(
    (await paths(reference)).map(async (path) => ((await directory.read(path)) as File).lastModified),
  );
}

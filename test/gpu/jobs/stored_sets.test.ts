/** Sets of aligned faces in the browser's own storage: their source, their size, and their deletion. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JOB_LOCK } from '../../../workers/protocol/offline.ts';
import { copyFolder } from '../../../workers/jobs/copy_folder.ts';
import { listFolders, rememberFolder } from '../../../workers/storage/folders.ts';
import { deleteDatabase } from '../../../workers/storage/database.ts';
import * as sets from '../../../workers/storage/stored_sets.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';

const FORMAT = { image_size: 182, margin: 44, detect_multiple_faces: false };
const OLD = 'aligned/photos aligned 182-44';
let root: FileSystemDirectoryHandle;

async function folder(path: string): Promise<FileSystemDirectoryHandle> {
  let handle = root;
  for (const part of path.split('/')) handle = await handle.getDirectoryHandle(part, { create: true });
  return handle;
}

async function write(path: string, bytes: number): Promise<void> {
  const slash = path.lastIndexOf('/');
  const file = await (
    await folder(path.slice(0, slash))
  ).getFileHandle(path.slice(slash + 1), { create: true });
  const stream = await file.createWritable();
  await stream.write(new Uint8Array(bytes));
  await stream.close();
}

/** Folders as a picker returns them; two have the same name. */
async function source(parent: string): Promise<DirectoryReference> {
  return { kind: 'handle', handle: await folder(`${parent}/photos`) };
}

const setOf = (folders: readonly DirectoryReference[]) =>
  sets.findSetFor({ folders, name: 'photos', format: FORMAT });

async function empty(): Promise<void> {
  for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
  await deleteDatabase();
}

beforeEach(async () => {
  root = await navigator.storage.getDirectory();
  await empty();
});
afterEach(empty);

describe('a set', () => {
  it('belongs to the folder it was made of, and not to another one of the same name', async () => {
    const [a, b] = [await source('a'), await source('b')];
    expect(await setOf([a])).toEqual({ kind: 'free', path: OLD });
    await write(`${OLD}/Ada/1.png`, 10);
    await sets.rememberSource(OLD, [{ ...a, leftOut: ['Ada/2.png'] }], ['photos']);
    expect(await setOf([a])).toEqual({ kind: 'own', path: OLD });
    const found = await setOf([b]);
    expect(found).toMatchObject({
      kind: 'taken',
      freePath: 'aligned/photos (2) aligned 182-44',
      sets: [{ path: OLD, sourceNames: ['photos'] }],
    });
    // Two folders are a different source than one of them, in any order.
    expect((await setOf([a, b])).kind).toBe('taken');
    await write('aligned/photos (2) aligned 182-44/Ada/1.png', 10);
    await sets.rememberSource('aligned/photos (2) aligned 182-44', [a, b], ['photos', 'photos']);
    expect(await setOf([b, a])).toEqual({ kind: 'own', path: 'aligned/photos (2) aligned 182-44' });
    expect(await setOf([a])).toEqual({ kind: 'own', path: OLD });
  });

  it('of an earlier version is kept, and its folder is asked for', async () => {
    await write(`${OLD}/Ada/1.png`, 10);
    await rememberFolder({ kind: 'private', path: OLD }, 'aligned');
    const found = await setOf([await source('a')]);
    expect(found).toMatchObject({ kind: 'taken', sets: [{ path: OLD, sourceNames: undefined }] });
  });

  it('is listed with its size, whatever made it, and deleted with what is remembered of it', async () => {
    await write(`${OLD}/Ada/1.png`, 10);
    await write(`${OLD}/Ada/2.png`, 20);
    await write(`${OLD}/Bo/1.png`, 30);
    await write(`${OLD}/bounding_boxes_00001.txt`, 5);
    for (let index = 0; index < 6; index++) await write(`aligned/set ${index}/Ada/1.png`, 1);
    await write('sample-faces/v1-1-2x3/Ada/1.png', 7);
    await rememberFolder({ kind: 'private', path: OLD }, 'aligned');
    const all = await sets.listStoredSets();
    expect(all).toHaveLength(8);
    expect(all[0]).toMatchObject({ path: OLD, kind: 'aligned' });
    expect(all.filter(({ kind }) => kind === 'drawn').map(({ path }) => path)).toEqual([
      'sample-faces/v1-1-2x3',
    ]);
    expect(await sets.measureStoredSet(OLD)).toEqual({ personCount: 2, pictureCount: 3, sizeBytes: 65 });
    await sets.deleteStoredSet(OLD);
    expect((await sets.listStoredSets()).map(({ path }) => path)).not.toContain(OLD);
    expect(await listFolders()).toEqual([]);
  });

  it('is not deleted while a job runs', async () => {
    await write(`${OLD}/Ada/1.png`, 10);
    await navigator.locks.request(JOB_LOCK, { mode: 'shared' }, async () => {
      await expect(sets.deleteStoredSet(OLD)).rejects.toThrow('photos aligned 182-44” was not deleted');
    });
    expect(await sets.listStoredSets()).toHaveLength(1);
  });

  it('is left nowhere when no face was found for it, and kept when there is one', async () => {
    await write(`${OLD}/bounding_boxes_00001.txt`, 5);
    await write('aligned/kept/Ada/1.png', 5);
    await sets.discardEmptySet(OLD);
    await sets.discardEmptySet('aligned/kept');
    expect((await sets.listStoredSets()).map(({ path }) => path)).toEqual(['aligned/kept']);
  });
});

it('a set is copied into a folder, file by file, until it is stopped', async () => {
  await write(`${OLD}/Ada/1.png`, 10);
  await write(`${OLD}/Bo/1.png`, 30);
  const output = { kind: 'directory', directory: { kind: 'private', path: 'elsewhere' } } as const;
  const from = { kind: 'private', path: OLD } as const;
  const told: number[] = [];
  const signal = new AbortController().signal;
  expect(await copyFolder(from, output, (done) => told.push(done), signal)).toBe(2);
  expect(told).toEqual([1, 2]);
  expect((await (await (await folder('elsewhere/Bo')).getFileHandle('1.png')).getFile()).size).toBe(30);
  await expect(copyFolder(from, output, () => undefined, AbortSignal.abort())).rejects.toThrow();
});

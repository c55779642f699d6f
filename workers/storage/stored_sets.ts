/**
 * Sets of aligned faces in the browser's own storage. A set belongs to the folders whose photos it was made from.
 * Folders are compared by identity, not by name: two folders called `photos` have two sets. The person is asked in two
 * cases: for sets of earlier versions, which compared names, and for a folder that is a list of files, which cannot be
 * recognised.
 */
import { JOB_LOCK } from '../protocol/offline.ts';
import type { DirectoryReference } from '../protocol/data/dataset.ts';
import type { SetForSource, SourceOfSet, StoredSet, StoredSetSize } from '../protocol/data/stored_sets.ts';
import { fileStats } from '../files/file_stats.ts';
import { isImagePath } from '../protocol/data/images.ts';
import { HandleDirectory } from '../files/handle_directory.ts';
import { openDatabase, type SetRecord } from './database.ts';
import { canBeRemembered, isSameFolder } from '../protocol/data/folder_references.ts';
import { forgetFolder, listFolders } from './folders.ts';
import { privateFileSystem } from './private_file_system.ts';
import { freeName, isNamedFor } from './set_names.ts';

export class SetInUseError extends Error {
  override name = 'SetInUseError';
  constructor(path: string) {
    super(
      `“${nameOf(path)}” was not deleted: a job is running, here or in another tab, and may need it. Stop the job first.`,
    );
  }
}

const ALIGNED = 'aligned';
/** The folders of the private file system that contain sets. */
const PARENTS: Readonly<Record<string, StoredSet['kind']>> = {
  [ALIGNED]: 'aligned',
  'sample-faces': 'drawn',
};
/** The most recently used first. Includes sets of earlier versions and of unfinished alignments. */
export async function listStoredSets(): Promise<StoredSet[]> {
  const records = await allRecords();
  const remembered = await listFolders();
  const sets: StoredSet[] = [];
  for (const [parent, kind] of Object.entries(PARENTS))
    for (const name of await folderNames(parent)) {
      const path = `${parent}/${name}`;
      const record = records.get(path);
      const uses = remembered.filter(({ reference }) => isSetAt(reference, path));
      const lastUsedAt = Math.max(record?.lastUsedAt ?? 0, ...uses.map((use) => use.lastUsedAt));
      sets.push({ path, kind, sourceNames: record?.sourceNames, lastUsedAt });
    }
  return sets.sort((a, b) => b.lastUsedAt - a.lastUsedAt || (a.path < b.path ? -1 : 1));
}

/** Counts the files in a set, which takes long for a large one. */
export async function measureStoredSet(path: string): Promise<StoredSetSize> {
  const handle = await folderAt(path);
  const people = new Set<string>();
  let pictureCount = 0;
  let sizeBytes = 0;
  if (!handle) return { personCount: 0, pictureCount, sizeBytes };
  const directory = new HandleDirectory(handle);
  const files: string[] = [];
  for await (const { path: file } of directory.list()) {
    files.push(file);
    if (!isImagePath(file) || !file.includes('/')) continue;
    people.add(file.slice(0, file.indexOf('/')));
    pictureCount++;
  }
  for (const stats of await fileStats(directory, files)) sizeBytes += stats?.sizeBytes ?? 0;
  return { personCount: people.size, pictureCount, sizeBytes };
}

/** @throws SetInUseError */
export async function deleteStoredSet(path: string): Promise<void> {
  const isDeleted = await withoutJobs(() => removeSet(path));
  if (!isDeleted) throw new SetInUseError(path);
}

/** Deletes the set of an alignment that found no face. A set that a job in another tab may be filling stays. */
export async function discardEmptySet(path: string): Promise<void> {
  const handle = await folderAt(path);
  if (!handle) return;
  await withoutJobs(async () => {
    for await (const { path: file } of new HandleDirectory(handle).list())
      if (isImagePath(file) || file === 'set_aside.json') return;
    await removeSet(path);
  });
}

/** Finds the set for the faces of these folders. */
export async function findSetFor({ folders, name, format }: SourceOfSet): Promise<SetForSource> {
  const names = await folderNames(ALIGNED);
  const own = await ownSet(folders, names, name, format);
  if (own !== undefined) return { kind: 'own', path: own };
  const freePath = `${ALIGNED}/${freeName(names, name, format)}`;
  const sameName = names.filter((other) => isNamedFor(other, name, format));
  if (sameName.length === 0) return { kind: 'free', path: freePath };
  const paths = new Set(sameName.map((other) => `${ALIGNED}/${other}`));
  return { kind: 'taken', sets: (await listStoredSets()).filter(({ path }) => paths.has(path)), freePath };
}

/** Records the source folders of a set. */
export async function rememberSource(
  path: string,
  folders: readonly DirectoryReference[],
  sourceNames: readonly string[],
): Promise<void> {
  const sources = folders.every(canBeRemembered) ? folders.map(withoutLeftOut) : undefined;
  await (await openDatabase()).put('alignedSets', { path, sources, sourceNames, lastUsedAt: Date.now() });
}

async function ownSet(
  folders: readonly DirectoryReference[],
  names: readonly string[],
  sourceName: string,
  format: SourceOfSet['format'],
): Promise<string | undefined> {
  const records = await allRecords();
  for (const name of names) {
    const path = `${ALIGNED}/${name}`;
    const sources = records.get(path)?.sources;
    if (isNamedFor(name, sourceName, format) && sources && (await areSameFolders(sources, folders)))
      return path;
  }
  return undefined;
}

async function areSameFolders(
  a: readonly DirectoryReference[],
  b: readonly DirectoryReference[],
): Promise<boolean> {
  if (a.length !== b.length) return false;
  const left = [...b];
  for (const folder of a) {
    const same = await Promise.all(left.map((other) => isSameFolder(folder, other)));
    const at = same.indexOf(true);
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}

async function removeSet(path: string): Promise<void> {
  const parts = path.split('/');
  const name = parts.pop()!;
  const parent = await folderAt(parts.join('/'));
  await parent?.removeEntry(name, { recursive: true }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  await (await openDatabase()).delete('alignedSets', path);
  for (const { id, reference } of await listFolders()) if (isSetAt(reference, path)) await forgetFolder(id);
}

/** Does the work unless a job runs in any tab. @returns whether it was done */
async function withoutJobs(work: () => Promise<void>): Promise<boolean> {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) {
    await work();
    return true;
  }
  return locks.request(JOB_LOCK, { mode: 'exclusive', ifAvailable: true }, async (lock) => {
    if (!lock) return false;
    await work();
    return true;
  });
}

async function allRecords(): Promise<Map<string, SetRecord>> {
  const records = await (await openDatabase()).getAll('alignedSets');
  return new Map(records.map((record) => [record.path, record]));
}

async function folderNames(parent: string): Promise<string[]> {
  const handle = await folderAt(parent);
  const names: string[] = [];
  if (handle)
    for await (const entry of handle.values())
      if (entry.kind === 'directory' && !entry.name.startsWith('.')) names.push(entry.name);
  return names;
}

/** undefined if it does not exist, or the browser has no private file system */
async function folderAt(path: string): Promise<FileSystemDirectoryHandle | undefined> {
  let handle = await privateFileSystem();
  try {
    for (const part of path.split('/')) handle = await handle?.getDirectoryHandle(part);
    return handle;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'NotFoundError';
}

function isSetAt(reference: DirectoryReference, path: string): boolean {
  return reference.kind === 'private' && reference.path === path;
}

function withoutLeftOut({ leftOut: _, ...reference }: DirectoryReference): DirectoryReference {
  return reference;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

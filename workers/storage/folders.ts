/** Folders that were used before, so that a later visit needs one click to use them again. */
import type { DirectoryReference } from '../protocol/data/dataset.ts';
import type { RememberedFolder } from '../protocol/models/library.ts';
import { openDatabase } from './database.ts';

/** What kind 'files' and 'http' refer to is gone with the page. */
export function canBeRemembered(reference: DirectoryReference): boolean {
  return reference.kind === 'handle' || reference.kind === 'private';
}

export async function rememberFolder(
  reference: DirectoryReference,
  role: RememberedFolder['role'],
): Promise<void> {
  if (!canBeRemembered(reference)) return;
  const database = await openDatabase();
  const known = await listFolders(role);
  let id: string = crypto.randomUUID();
  for (const folder of known) if (await isSameFolder(folder.reference, reference)) id = folder.id;
  await database.put('folders', { id, reference, role, lastUsedAt: Date.now() });
}

/**
 * The folders with what was left out of them when they were last used in the role, unless they say so themselves: a
 * folder that is picked anew knows nothing of that.
 */
export async function recallLeftOut(
  references: readonly DirectoryReference[],
  role: RememberedFolder['role'],
): Promise<DirectoryReference[]> {
  const known = (await listFolders(role)).filter(({ reference }) => reference.leftOut);
  return Promise.all(
    references.map(async (reference) => {
      if (reference.leftOut) return reference;
      for (const folder of known)
        if (await isSameFolder(folder.reference, reference))
          return { ...reference, leftOut: folder.reference.leftOut };
      return reference;
    }),
  );
}

/** Whether both are one folder. Two lists of files cannot be told to be. */
export async function isSameFolder(a: DirectoryReference, b: DirectoryReference): Promise<boolean> {
  if (a.kind === 'private' && b.kind === 'private') return a.path === b.path;
  return a.kind === 'handle' && b.kind === 'handle' && (await a.handle.isSameEntry(b.handle));
}

/** The last used first. */
export async function listFolders(role?: RememberedFolder['role']): Promise<RememberedFolder[]> {
  const folders = await (await openDatabase()).getAll('folders');
  return folders
    .filter((folder) => role === undefined || folder.role === role)
    .sort((a, b) => b.lastUsedAt - a.lastUsedAt);
}

export async function forgetFolder(id: string): Promise<void> {
  await (await openDatabase()).delete('folders', id);
}

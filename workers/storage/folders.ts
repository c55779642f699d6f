/** Folders that were used before, so that a later visit needs one click to use them again. */
import type { DirectoryReference } from '../protocol/data/dataset.ts';
import { canBeRemembered, isSameFolder } from '../protocol/data/folder_references.ts';
import type { RememberedFolder } from '../protocol/models/library.ts';
import { openDatabase } from './database.ts';

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
 * Adds to each folder what was left out of it when it was last used in this role, unless the reference already has
 * this. A newly picked folder does not have it.
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

/** The most recently used first. */
export async function listFolders(role?: RememberedFolder['role']): Promise<RememberedFolder[]> {
  const folders = await (await openDatabase()).getAll('folders');
  return folders
    .filter((folder) => role === undefined || folder.role === role)
    .sort((a, b) => b.lastUsedAt - a.lastUsedAt);
}

export async function forgetFolder(id: string): Promise<void> {
  await (await openDatabase()).delete('folders', id);
}

/** Questions about references to folders that the page and the workers ask alike. */
import type { DirectoryReference } from './directories.ts';

/** Whether a later visit can use it: references of kind 'files' and 'http' are valid only while the page is open. */
export function canBeRemembered({ kind }: DirectoryReference): boolean {
  return kind === 'handle' || kind === 'private';
}

/** Whether both are the same folder. For two lists of files, chosen one after the other, this cannot be known. */
export async function isSameFolder(a: DirectoryReference, b: DirectoryReference): Promise<boolean> {
  if (a.kind === 'private' && b.kind === 'private') return a.path === b.path;
  if (a.kind === 'files' && b.kind === 'files') return a.files === b.files;
  return a.kind === 'handle' && b.kind === 'handle' && (await a.handle.isSameEntry(b.handle));
}

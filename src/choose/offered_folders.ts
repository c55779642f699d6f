/** Which folders a person can choose with one click, because they were used before or lie in the browser's own storage. */
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { RememberedFolder } from '../../workers/protocol/models/library.ts';
import type { StoredSet } from '../../workers/protocol/data/stored_sets.ts';
import { isSameFolder } from '../../workers/protocol/data/folder_references.ts';

/**
 * @param remembered the last used first
 * @param stored sets of aligned faces; one whose alignment did not come to its end was never remembered
 * @param chosen already, and so not offered
 * @returns each folder once, the last used first; folders are told apart by themselves, since two may have one name
 */
export async function offeredFolders(
  remembered: readonly RememberedFolder[],
  stored: readonly StoredSet[],
  chosen: readonly DirectoryReference[],
): Promise<RememberedFolder[]> {
  const sets = stored.map(({ path, lastUsedAt }): RememberedFolder => ({
    id: path,
    reference: { kind: 'private', path },
    role: 'aligned',
    lastUsedAt,
  }));
  const offered: RememberedFolder[] = [];
  for (const folder of [...remembered, ...sets].sort((a, b) => b.lastUsedAt - a.lastUsedAt)) {
    const others = [...chosen, ...offered.map(({ reference }) => reference)];
    const same = await Promise.all(others.map((other) => isSameFolder(folder.reference, other)));
    if (!same.includes(true)) offered.push(folder);
  }
  return offered;
}

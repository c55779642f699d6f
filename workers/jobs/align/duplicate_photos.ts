/**
 * One photo in two identities is a mistake in the dataset: both cannot be right, and a model is told that the same face
 * is two people. Only equal bytes are noticed, not photos that merely look alike.
 */
import type { DuplicatePhotos } from '../../protocol/align/align.ts';

export class DuplicateFinder {
  readonly #paths = new Map<string, string | string[]>();

  /** @param digest of the file's bytes; an empty one is ignored */
  add(path: string, digest: string): void {
    if (digest === '') return;
    const known = this.#paths.get(digest);
    // Nearly all photos are there once: no list for those.
    if (known === undefined) this.#paths.set(digest, path);
    else if (typeof known === 'string') this.#paths.set(digest, [known, path]);
    else known.push(path);
  }

  /** Those in more than one identity, sorted. */
  get duplicates(): DuplicatePhotos[] {
    const found: DuplicatePhotos[] = [];
    for (const paths of this.#paths.values())
      if (typeof paths !== 'string' && new Set(paths.map(identityOf)).size > 1) found.push(paths.toSorted());
    return found.sort((a, b) => (a[0]! < b[0]! ? -1 : 1));
  }
}

export function identityOf(path: string): string {
  return path.slice(0, path.indexOf('/'));
}

/** Which models were exported, also on earlier visits: the step navigation says so. */

/** “Delete everything” looks for keys that begin with `facenet`. */
const STORAGE_KEY = 'facenet exported models';

/** @returns the ids of runs and imported models; none where the browser keeps nothing */
export function readExportedIds(): string[] {
  try {
    const ids: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '[]');
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  } catch {
    // Storage is refused, or the entry is not ours: the navigation then counts the exports of this visit.
    return [];
  }
}

export function storeExportedIds(ids: Iterable<string>): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify([...ids]));
  } catch (error) {
    console.warn(error);
  }
}

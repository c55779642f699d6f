/** Everything that this page stores in this browser, and how it goes. */
import { libraryWorker } from './workers.ts';
import { program } from './program.svelte.ts';

/** Of the keys in the local and the session storage. */
const KEY_PREFIX = 'facenet';

/** In the address after everything was deleted: until the next visit, not even the program's own copy is stored. */
const LEFT_EMPTY = 'deleted';

export const isLeftEmpty = new URLSearchParams(location.search).has(LEFT_EMPTY);

/**
 * Runs, checkpoints, remembered folders and measurements of the device (IndexedDB), faces (private file system), the
 * program's own copy (caches and service worker), and what else is kept under this page's name.
 * @throws JobRunningError, before anything is deleted; what else fails is thrown after the rest was deleted
 */
export async function deleteEverythingStored(): Promise<void> {
  // A job that goes on keeps all of it.
  const data = await settled(libraryWorker.call((api) => api.deleteEverything()));
  if (data.status === 'rejected' && data.reason instanceof Error && data.reason.name === 'JobRunningError')
    throw data.reason;
  const results = await Promise.allSettled([
    data.status === 'rejected' ? Promise.reject(data.reason as Error) : undefined,
    program.forget(),
    Promise.resolve().then(deleteKeys),
  ]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function settled<Value>(work: Promise<Value>): Promise<PromiseSettledResult<Value>> {
  const [result] = await Promise.allSettled([work]);
  return result;
}

/** Reloads the page as if it were the first visit. */
export function reloadAsFirstVisit(): void {
  location.replace(new URL(`./?${LEFT_EMPTY}`, location.href));
}

function deleteKeys(): void {
  for (const storage of [localStorage, sessionStorage])
    for (const key of Object.keys(storage)) if (key.startsWith(KEY_PREFIX)) storage.removeItem(key);
}

/** The reading of a dataset's folders while it goes on. There is one at a time: a new one ends the one before. */
import type { DatasetSummary, ScanProgress } from '../../workers/protocol/data/dataset.ts';
import { withScanned } from './class_counts.ts';

export class FolderScan {
  isRunning = $state(false);
  filesSeen = $state(0);
  /** What has been found so far. */
  found = $state.raw<DatasetSummary | undefined>();
  #current: AbortController | undefined;

  /** @returns is aborted when another one begins, or this one is cancelled */
  begin(): AbortSignal {
    this.cancel();
    this.#current = new AbortController();
    this.isRunning = true;
    this.filesSeen = 0;
    return this.#current.signal;
  }

  /** @param signal of the one that has come so far */
  proceed(signal: AbortSignal, progress: ScanProgress): void {
    if (signal.aborted) return;
    this.filesSeen = progress.fileCount;
    this.found = withScanned(this.found, progress);
  }

  /** Nothing happens where it is not this one that is going on. */
  end(signal: AbortSignal): void {
    if (!signal.aborted) this.#reset();
  }

  cancel(): void {
    this.#current?.abort();
    this.#reset();
  }

  #reset(): void {
    this.#current = undefined;
    this.isRunning = false;
    this.found = undefined;
  }
}

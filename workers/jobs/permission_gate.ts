/**
 * Permission for a folder can be withdrawn in the middle of a job. The job then waits instead of ending: the page shows
 * what to click, asks for the permission again, and resumes.
 */
import { FolderUnavailableError } from '../protocol/data/file_errors.ts';
import type { JobControl } from '../protocol/job_control.ts';

export class PermissionGate {
  readonly #control: JobControl;
  readonly #onPause: (message: string) => void;
  readonly #onResume: () => void;
  #waiting: Promise<boolean> | undefined;
  /** How often the job has gone on: what began before that may fail once more for the old reason. */
  #resumeCount = 0;

  constructor(control: JobControl, onPause: (message: string) => void, onResume: () => void) {
    this.#control = control;
    this.#onPause = onPause;
    this.#onResume = onResume;
  }

  /**
   * Does the work, again after each pause, until it fails for another reason or succeeds.
   * @throws PermissionLostError when the job is cancelled while it waits, and what else the work throws
   */
  readonly through = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    for (;;) {
      const begunAt = this.#resumeCount;
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof FolderUnavailableError)) throw error;
        if (begunAt !== this.#resumeCount) continue;
        if (!(await this.#wait(error))) throw error;
      }
    }
  };

  /** Whoever comes while the job waits already waits along. */
  #wait(error: FolderUnavailableError): Promise<boolean> {
    this.#waiting ??= this.#pause(error.message).finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  async #pause(message: string): Promise<boolean> {
    if (this.#control.cancelled) return false;
    this.#control.pause();
    this.#onPause(message);
    if (!(await this.#control.proceed())) return false;
    this.#resumeCount++;
    this.#onResume();
    return true;
  }
}

import { JOB_LOCK } from '../../workers/protocol/offline.ts';

/**
 * While a job runs: leaving the page asks first, no new version of the page takes over in any tab, and while one trains,
 * the screen stays awake.
 */
export class JobGuard {
  readonly #runningJobs = $state<Record<string, boolean>>({});
  readonly isBusy = $derived(Object.values(this.#runningJobs).some(Boolean));
  #wakeLock: WakeLockSentinel | undefined;
  #wantsWakeLock = false;

  constructor() {
    window.addEventListener('beforeunload', (event) => {
      if (this.isBusy) event.preventDefault();
    });
    // A wake lock ends when the page is hidden.
    document.addEventListener('visibilitychange', () => void this.#updateWakeLock());
  }

  /** Runs a job with the guard on. */
  async during<Result>(job: string, keepAwake: boolean, work: () => Promise<Result>): Promise<Result> {
    this.#runningJobs[job] = true;
    if (keepAwake) await this.#setWakeLock(true);
    try {
      return await holdingJobLock(work);
    } finally {
      this.#runningJobs[job] = false;
      if (keepAwake) await this.#setWakeLock(false);
    }
  }

  async #setWakeLock(wanted: boolean): Promise<void> {
    this.#wantsWakeLock = wanted;
    await this.#updateWakeLock();
  }

  async #updateWakeLock(): Promise<void> {
    try {
      if (this.#wantsWakeLock && document.visibilityState === 'visible') {
        if (!this.#wakeLock || this.#wakeLock.released)
          this.#wakeLock = await navigator.wakeLock?.request('screen');
      } else if (!this.#wantsWakeLock) {
        await this.#wakeLock?.release();
        this.#wakeLock = undefined;
      }
    } catch {
      // Refused, e.g. on low battery: training goes on for as long as the screen does.
    }
  }
}

/** Browsers without Web Locks change versions only when all tabs are closed. */
async function holdingJobLock<Result>(work: () => Promise<Result>): Promise<Result> {
  const locks = navigator.locks as LockManager | undefined;
  return locks ? await locks.request(JOB_LOCK, { mode: 'shared' }, work) : await work();
}

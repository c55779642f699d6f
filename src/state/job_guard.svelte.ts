/** While a job runs: leaving the page asks first, and while one trains, the screen stays awake. */
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
      return await work();
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

/**
 * The program's own copy in this browser, which opens without a network, and its new versions. A new version is put to
 * use only when the person asks for it and no job runs in any tab, or when all tabs were closed (see
 * workers/service_worker.ts).
 */
import {
  copiesOf,
  JOB_LOCK,
  TAB_LOCK_PREFIX,
  type OtherVersionAnswer,
  type ServiceWorkerMessage,
} from '../../workers/protocol/offline.ts';

export type ProgramStatus =
  /** This browser or address has no service workers, or the copy could not be made. */
  | 'none'
  | 'copying'
  | 'ready'
  /** A new version waits. */
  | 'new-version'
  /** Another tab has taken the new version into use. */
  | 'changed-elsewhere';

export class ProgramCopy {
  status = $state<ProgramStatus>('none');
  /** A job in some tab keeps the new version waiting: said once it was asked for. */
  isHeldByJob = $state(false);
  readonly canTakeOver = navigator.locks !== undefined;
  #registration: ServiceWorkerRegistration | undefined;
  #isTakingOver = false;

  /**
   * Copies the program into this browser, once everything that the first page needs is there.
   * @param firstScript the address of the page's first script, which no two versions share
   */
  async keep(firstScript: string): Promise<void> {
    const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
    if (!serviceWorker) return;
    const ask = (): void => post(serviceWorker.controller, { kind: 'tab-opened', firstScript });
    // Held for as long as this tab is there: the parts that it has not loaded yet must stay.
    void navigator.locks?.request(
      TAB_LOCK_PREFIX + firstScript,
      { mode: 'shared' },
      () => new Promise(() => undefined),
    );
    this.#followController(serviceWorker, ask);
    if (document.readyState !== 'complete')
      await new Promise((resolve) => window.addEventListener('load', resolve, { once: true }));
    try {
      this.#registration = await serviceWorker.register('./service_worker.js', {
        updateViaCache: 'none',
      });
    } catch (error) {
      // The page works without; offline it then does not open.
      console.info('The offline copy of the page could not be made.', error);
      return;
    }
    const registration = this.#registration;
    this.#updateStatus(registration);
    registration.addEventListener('updatefound', () => {
      this.#updateStatus(registration);
      registration.installing?.addEventListener('statechange', () => this.#updateStatus(registration));
    });
    registration.installing?.addEventListener('statechange', () => this.#updateStatus(registration));
    ask();
  }

  /**
   * Notices that another tab took a new version into use.
   * @param ask the service worker whether this tab is of its version: where no event told it, as the change came before
   *   this tab had a script that runs, its answer does
   */
  #followController(serviceWorker: ServiceWorkerContainer, ask: () => void): void {
    let isControlled = serviceWorker.controller !== null;
    serviceWorker.addEventListener('controllerchange', () => {
      if (this.#isTakingOver) location.reload();
      else if (isControlled) this.status = 'changed-elsewhere';
      else {
        // This tab was loaded from the host, as on a first visit: perhaps it is of the same version.
        if (this.#registration) this.#updateStatus(this.#registration);
        ask();
      }
      isControlled = true;
    });
    serviceWorker.addEventListener('message', ({ data }: MessageEvent<OtherVersionAnswer>) => {
      if (data.kind === 'other-version') this.status = 'changed-elsewhere';
    });
  }

  #updateStatus({ installing, waiting, active }: ServiceWorkerRegistration): void {
    if (this.status === 'changed-elsewhere') return;
    if (waiting && active) this.status = 'new-version';
    else if (active) this.status = 'ready';
    else this.status = installing ? 'copying' : 'none';
  }

  /** Takes the new version into use and reloads the page, unless a job runs in any tab. */
  async takeOver(): Promise<void> {
    if (this.status === 'changed-elsewhere') {
      location.reload();
      return;
    }
    await navigator.locks.request(JOB_LOCK, { ifAvailable: true }, async (lock) => {
      this.isHeldByJob = lock === null;
      if (!lock) return;
      this.#isTakingOver = true;
      const waiting = this.#registration?.waiting;
      if (waiting) post(waiting, { kind: 'take-over' });
      // Another tab was quicker.
      else location.reload();
      // No job starts before the page has been loaded anew.
      await new Promise(() => undefined);
    });
  }

  /** Deletes this program's copies and the service worker that keeps them. */
  async forget(): Promise<void> {
    const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
    const copies = (globalThis as { caches?: CacheStorage }).caches;
    const registration = await serviceWorker?.getRegistration();
    await registration?.unregister();
    const prefix = copiesOf(registration?.scope ?? document.baseURI.replace(/[^/]*$/, ''));
    for (const name of (await copies?.keys()) ?? []) if (name.startsWith(prefix)) await copies?.delete(name);
  }
}

function post(worker: ServiceWorker | null | undefined, message: ServiceWorkerMessage): void {
  worker?.postMessage(message);
}

export const program = new ProgramCopy();

/**
 * Photos shared out among the processes that align into one folder. Each is claimed just before it is read, and given
 * back when its face is written and listed. Where a folder is one process's own, everything is granted.
 */
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import type { ClaimState } from '../../protocol/data/claims.ts';

const WAIT_MS = 200;
/** The claim to change files that belong to no single process. */
const LISTS = 'bounding boxes';

export class SharedWork {
  readonly #output: WritableDirectory;
  #released: string[] = [];
  #failed: string[] = [];

  constructor(output: WritableDirectory) {
    this.#output = output;
  }

  get isShared(): boolean {
    return this.#output.claims !== undefined;
  }

  /** @returns in the order of the names */
  async claim(names: readonly string[]): Promise<ClaimState[]> {
    return this.#exchange(names, false);
  }

  /** What is written and listed of it is there for the others to see; takes effect with the next claim or `giveBack`. */
  release(names: readonly string[]): void {
    this.#released.push(...names);
  }

  fail(name: string): void {
    this.#failed.push(name);
  }

  async giveBack(): Promise<void> {
    if (this.#released.length + this.#failed.length > 0) await this.#exchange([], false);
  }

  async end(): Promise<void> {
    await this.#exchange([], true);
  }

  /** Alone among the processes. */
  async alone<Value>(work: () => Promise<Value>): Promise<Value> {
    while ((await this.claim([LISTS]))[0] === 'held') await wait(WAIT_MS / 4);
    try {
      return await work();
    } finally {
      this.release([LISTS]);
      await this.giveBack();
    }
  }

  async #exchange(claim: readonly string[], end: boolean): Promise<ClaimState[]> {
    if (!this.#output.claims) return claim.map(() => 'granted');
    const [release, failed] = [this.#released, this.#failed];
    [this.#released, this.#failed] = [[], []];
    return this.#output.claims({ claim, release, failed, end });
  }
}

/** Before what another process holds is looked at again. */
export function waitForOthers(): Promise<void> {
  return wait(WAIT_MS);
}

function wait(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

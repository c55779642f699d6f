/** Whether the origin's private file system can be used: some browsers have it, but refuse it in private windows. */
class PrivateStorage {
  isThere = $state(typeof navigator.storage?.getDirectory === 'function');

  constructor() {
    if (this.isThere) void this.#try();
  }

  async #try(): Promise<void> {
    try {
      await navigator.storage.getDirectory();
    } catch {
      this.isThere = false;
    }
  }
}

export const privateStorage = new PrivateStorage();

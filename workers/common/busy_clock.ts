/** How long something was busy: the time during which at least one of several overlapping pieces of work ran. */
export class BusyClock {
  #underWay = 0;
  #since = 0;
  #endedMs = 0;

  async during<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#underWay++ === 0) this.#since = performance.now();
    try {
      return await work();
    } finally {
      if (--this.#underWay === 0) this.#endedMs += performance.now() - this.#since;
    }
  }

  duringSync<Value>(work: () => Value): Value {
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      // Work that still runs already counts this time.
      if (this.#underWay === 0) this.#endedMs += performance.now() - startedAt;
    }
  }

  get busyMs(): number {
    return this.#endedMs + (this.#underWay > 0 ? performance.now() - this.#since : 0);
  }
}

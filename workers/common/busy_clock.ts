/** How long something was busy: the time in which at least one of several overlapping pieces of work was under way. */
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
      // What is under way counts this time already.
      if (this.#underWay === 0) this.#endedMs += performance.now() - startedAt;
    }
  }

  get busyMs(): number {
    return this.#endedMs + (this.#underWay > 0 ? performance.now() - this.#since : 0);
  }
}

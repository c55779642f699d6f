/** A kernels' memory that grows when more of it is needed, and numbers in it. */
const PAGE_BYTES = 65_536;
/** What WebAssembly can address. */
const MAXIMUM_PAGES = 65_536;

export class KernelMemory {
  #memory = emptyMemory();
  #floats = new Float32Array(this.#memory.buffer);
  #module: WebAssembly.Module | undefined;

  get memory(): WebAssembly.Memory {
    return this.#memory;
  }

  /** Views become stale: ask for them after this. @throws RangeError when there is not so much memory */
  reserve(bytes: number): void {
    const missing = bytes - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.#floats = new Float32Array(this.memory.buffer);
  }

  get bytes(): number {
    return this.memory.buffer.byteLength;
  }

  get floats(): Float32Array<ArrayBuffer> {
    return this.#floats;
  }

  /** @param address a multiple of 4 */
  write(address: number, values: Float32Array): void {
    this.#floats.set(values, address / 4);
  }

  /** The functions of a module that imports this memory. */
  instantiate(module: Uint8Array<ArrayBuffer>): WebAssembly.Exports {
    this.#module = new WebAssembly.Module(module);
    return this.#instance(this.#module);
  }

  /**
   * Begins with an empty memory: one that has grown cannot shrink, only be given back as a whole.
   * @returns the functions of the module over the new one; those over the old one are not to be called any more
   */
  renew(): WebAssembly.Exports {
    if (!this.#module) throw new Error('There are no kernels over this memory yet.');
    this.#memory = emptyMemory();
    this.#floats = new Float32Array(this.#memory.buffer);
    return this.#instance(this.#module);
  }

  #instance(module: WebAssembly.Module): WebAssembly.Exports {
    return new WebAssembly.Instance(module, { host: { memory: this.#memory } }).exports;
  }
}

function emptyMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 1, maximum: MAXIMUM_PAGES });
}

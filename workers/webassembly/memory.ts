/** The memory of WebAssembly kernels. It grows on demand. */
const PAGE_BYTES = 65_536;
/** All that 32-bit WebAssembly can address. */
const MAXIMUM_PAGES = 65_536;

export class KernelMemory {
  #memory = emptyMemory();
  #floats = new Float32Array(this.#memory.buffer);
  #module: WebAssembly.Module | undefined;

  get memory(): WebAssembly.Memory {
    return this.#memory;
  }

  /** Earlier views become invalid; request them again afterwards. @throws RangeError if there is not enough memory */
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

  /** Instantiates a module that imports this memory. @returns its functions */
  instantiate(module: Uint8Array<ArrayBuffer>): WebAssembly.Exports {
    this.#module = new WebAssembly.Module(module);
    return this.#instance(this.#module);
  }

  /**
   * Replaces the memory by an empty one, because a memory can grow but not shrink.
   * @returns the module's functions over the new memory; the old functions must not be called any more
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

/** A buffer that grows when more is asked of it and never shrinks: its size is the largest piece of work so far. */
export class Arena {
  readonly label: string;
  readonly #device: GPUDevice;
  readonly #usage: GPUBufferUsageFlags;
  #buffer: GPUBuffer | undefined;
  #growths = 0;

  constructor(device: GPUDevice, label: string, usage: GPUBufferUsageFlags) {
    this.#device = device;
    this.label = label;
    this.#usage = usage;
  }

  get bytes(): number {
    return this.#buffer?.size ?? 0;
  }

  /** How often a buffer was made. */
  get growths(): number {
    return this.#growths;
  }

  /** What is in it is lost when it grows; work that is queued keeps the buffer it was queued with. */
  reserve(bytes: number): GPUBuffer {
    if (this.#buffer && this.#buffer.size >= bytes) return this.#buffer;
    this.#buffer?.destroy();
    this.#buffer = undefined;
    this.#buffer = this.#device.createBuffer({
      label: this.label,
      size: Math.ceil(Math.max(bytes, SMALLEST_BYTES) / ALIGNMENT) * ALIGNMENT,
      usage: this.#usage,
    });
    this.#growths++;
    return this.#buffer;
  }

  dispose(): void {
    this.#buffer?.destroy();
    this.#buffer = undefined;
  }
}

const SMALLEST_BYTES = 4096;
/** Of the bindings' offsets. */
const ALIGNMENT = 256;

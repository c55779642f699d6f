/** A buffer that grows on demand and never shrinks. Its size is that of the largest request so far. */
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

  /** How often a buffer was created. */
  get growths(): number {
    return this.#growths;
  }

  /** The content is lost when the buffer grows. Queued work keeps the buffer with which it was queued. */
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
/** The alignment of binding offsets, bytes. */
const ALIGNMENT = 256;

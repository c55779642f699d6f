/** A ring of small mappable buffers. Results are copied into the next one, and read when the GPU has finished. */
import type { EngineDevice } from '../../gpu/device.ts';

export class ReadbackRing {
  readonly #device: EngineDevice;
  readonly #bytes: number;
  readonly #slots: { readonly buffer: GPUBuffer; free: Promise<void> }[];
  #next = 0;

  /** @param length the number of results that may be pending */
  constructor(device: EngineDevice, bytes: number, length: number) {
    this.#device = device;
    this.#bytes = bytes;
    this.#slots = Array.from({ length }, (_, index) => ({
      buffer: device.device.createBuffer({
        label: `readback ${index}`,
        size: bytes,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      }),
      free: Promise.resolve(),
    }));
  }

  get bytes(): number {
    return this.#bytes * this.#slots.length;
  }

  /**
   * Waits until a buffer is free, lets `submit` queue the copy into it, and returns a promise of the result. The outer
   * promise settles when the copy is queued.
   */
  async read(submit: (target: GPUBuffer) => void): Promise<{ readonly result: Promise<Float32Array> }> {
    const slot = this.#slots[this.#next]!;
    this.#next = (this.#next + 1) % this.#slots.length;
    await this.#device.guard(slot.free);
    submit(slot.buffer);
    const result = this.#device.guard(
      slot.buffer.mapAsync(GPUMapMode.READ).then(() => {
        const values = new Float32Array(slot.buffer.getMappedRange().slice(0));
        slot.buffer.unmap();
        return values;
      }),
    );
    slot.free = result.then(
      () => undefined,
      () => undefined,
    );
    return { result };
  }

  dispose(): void {
    for (const { buffer } of this.#slots) buffer.destroy();
  }
}

/**
 * All GPU memory of the detector: a fixed number of arenas, which only grow. Their largest sizes, for photos of any
 * size:
 *
 * - `even`, `odd`: values between layers; 13 and 19 MB for a batch of P-Net (level_plan.ts) or of R-Net's or O-Net's
 *   crops;
 * - `heads`: P-Net's outputs for a round of levels (32 MB, or the outputs of one level), or the last layer for all
 *   crops;
 * - `photos`, two of them: the pixels of a group, 64 MB or one photo (150 MB for 50 megapixels, the largest);
 * - `candidates`, and one readback buffer for each of the two groups: 48 bytes for an eighth of the group's cells,
 *   or for all cells that passed, if these are more;
 * - `weights`: 2 MB; `tables`: kilobytes; `axes`: a few numbers per row and column of each level.
 */
import type { EngineDevice } from '../../gpu/device.ts';
import { Arena } from './arena.ts';
import type { ArenaName } from './recording.ts';

/** The most bytes of photos in one group, unless the group is a single photo. */
export const PHOTO_BYTES = 64 * 2 ** 20;

/** The buffers that each group of photos has for itself. */
export interface PhotoSlot {
  readonly photos: Arena;
  readonly readback: Arena;
}

/** One group runs in the networks; for the other, photos are uploaded or the CPU processes boxes. */
const SLOTS = 2;

export class DetectorMemory {
  /** All arenas except those for photos. */
  readonly arenas: Readonly<Record<Exclude<ArenaName, 'photos'>, Arena>>;
  readonly #slots: readonly PhotoSlot[];
  readonly #free: PhotoSlot[];
  readonly #waiting: ((slot: PhotoSlot) => void)[] = [];

  constructor({ device }: EngineDevice) {
    const arena = (label: string, usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE): Arena =>
      new Arena(device, `face detector: ${label}`, usage);
    const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.arenas = {
      weights: arena('weights', STORAGE | COPY_DST),
      axes: arena('axes', STORAGE | COPY_DST),
      tables: arena('tables', STORAGE | COPY_DST),
      even: arena('even'),
      odd: arena('odd'),
      heads: arena('heads', STORAGE | COPY_SRC),
      candidates: arena('candidates', STORAGE | COPY_SRC | COPY_DST),
    };
    this.#slots = Array.from({ length: SLOTS }, (_, index) => ({
      photos: arena(`photos ${index}`, STORAGE | COPY_DST),
      readback: arena(`readback ${index}`, COPY_DST | MAP_READ),
    }));
    this.#free = [...this.#slots];
  }

  get #all(): Arena[] {
    return [
      ...Object.values(this.arenas),
      ...this.#slots.flatMap(({ photos, readback }) => [photos, readback]),
    ];
  }

  get bytes(): number {
    return this.#all.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** How often a buffer was created, in all arenas. */
  get growths(): number {
    return this.#all.reduce((sum, { growths }) => sum + growths, 0);
  }

  async withSlot<Value>(work: (slot: PhotoSlot) => Promise<Value>): Promise<Value> {
    const slot = this.#free.pop() ?? (await new Promise<PhotoSlot>((resolve) => this.#waiting.push(resolve)));
    try {
      return await work(slot);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(slot);
      else this.#free.push(slot);
    }
  }

  dispose(): void {
    for (const arena of this.#all) arena.dispose();
  }
}

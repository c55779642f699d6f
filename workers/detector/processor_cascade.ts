/**
 * The networks of the cascade on the CPU: it makes pyramids and crops, and passes them to the networks as tensors.
 * Levels go through P-Net in bands of columns, and crops in batches, so that the memory does not grow with the photo.
 */
import type { BackendMemory } from '../protocol/device.ts';
import { boxesOfCells, cellsAbove, type Box, type Candidate, type Cell } from './boxes.ts';
import type { CascadeNetworks, PhotoNetworks } from './cascade_networks.ts';
import { levelSize } from './crops.ts';
import {
  O_NET_SIZE,
  R_NET_SIZE,
  type Networks,
  type ONetOutput,
  type PNetOutput,
  type RNetOutput,
} from './network_outputs.ts';
import type { CascadePhoto } from './photo.ts';

/** Most crops per batch: 7 MB for O-Net. */
const LARGEST_BATCH = 256;
/** Pixels per band: 12 MB as input of P-Net. */
const BAND_PIXELS = 1_000_000;
/** P-Net's window is 12 pixels wide, and its stride is 2. */
const WINDOW = 12;
const STRIDE = 2;

export class ProcessorCascade implements CascadeNetworks {
  readonly #networks: Networks;
  readonly #bandPixels: number;

  /** @param bandPixels number of pixels of a level that go through P-Net at once */
  constructor(networks: Networks, bandPixels = BAND_PIXELS) {
    this.#networks = networks;
    this.#bandPixels = bandPixels;
  }

  get clock() {
    return this.#networks.clock;
  }

  groups<Photo extends CascadePhoto>(photos: readonly Photo[]): Photo[][] {
    return [[...photos]];
  }

  look<Value>(
    photos: readonly CascadePhoto[],
    work: (networks: PhotoNetworks) => Promise<Value>,
  ): Promise<Value> {
    return work(new PhotosOnProcessor(this.#networks, photos, this.#bandPixels));
  }

  memory(): BackendMemory {
    return this.#networks.memory();
  }

  dispose(): void {
    this.#networks.dispose();
  }
}

class PhotosOnProcessor implements PhotoNetworks {
  readonly #networks: Networks;
  readonly #photos: readonly CascadePhoto[];
  readonly #bandPixels: number;

  constructor(networks: Networks, photos: readonly CascadePhoto[], bandPixels: number) {
    this.#networks = networks;
    this.#photos = photos;
    this.#bandPixels = bandPixels;
  }

  async propose(threshold: number): Promise<Candidate[][][]> {
    const proposed: Candidate[][][] = [];
    for (const photo of this.#photos) {
      const levels: Candidate[][] = [];
      for (const [index, scale] of photo.scales.entries())
        levels.push(boxesOfCells(await this.#cellsOf(photo, index, threshold), scale));
      proposed.push(levels);
    }
    return proposed;
  }

  async #cellsOf(photo: CascadePhoto, index: number, threshold: number): Promise<Cell[]> {
    const [width, height] = levelSize(photo, photo.scales[index]!);
    if (width * height <= this.#bandPixels) {
      const { scores, regressions, ...cells } = await this.#proposals(photo, index, 0, width);
      return cellsAbove(scores, regressions, cells.width, cells.height, threshold);
    }
    const cellsWide = cellsAlong(width);
    const most = Math.max(1, Math.floor((this.#bandPixels / height - WINDOW) / STRIDE) + 1);
    const found: Cell[] = [];
    for (let first = 0; first < cellsWide; first += most) {
      const columns = columnsOfCells(first, Math.min(most, cellsWide - first), width);
      const { scores, regressions, ...cells } = await this.#proposals(photo, index, STRIDE * first, columns);
      for (const cell of cellsAbove(scores, regressions, cells.width, cells.height, threshold, first))
        found.push(cell);
    }
    // The mirrored place of a cell is in another band. It matters only to a cell that is the only one of its level.
    return found.length === 1 ? [await this.#withMirrored(photo, index, found[0]!, width)] : found;
  }

  async #withMirrored(photo: CascadePhoto, index: number, cell: Cell, width: number): Promise<Cell> {
    const x = cellsAlong(width) - 1 - cell.x;
    const { regressions } = await this.#proposals(photo, index, STRIDE * x, columnsOfCells(x, 1, width));
    return { ...cell, mirrored: regressions.subarray(4 * cell.y, 4 * cell.y + 4) };
  }

  async #proposals(photo: CascadePhoto, index: number, from: number, columns: number): Promise<PNetOutput> {
    const { width, height, values } = photo.level(index, from, columns);
    const { clock } = this.#networks;
    return (await clock.during(() => this.#networks.proposals([values], width, height)))[0]!;
  }

  async refine(boxes: readonly (readonly Box[])[]): Promise<RNetOutput> {
    const count = countOf(boxes);
    const scores = new Float32Array(count);
    const regressions = new Float32Array(count * 4);
    for await (const { from, length, values } of this.#crops(boxes, R_NET_SIZE)) {
      const output = await this.#networks.clock.during(() => this.#networks.refine(values, length));
      scores.set(output.scores, from);
      regressions.set(output.regressions, from * 4);
    }
    return { scores, regressions };
  }

  async output(boxes: readonly (readonly Box[])[]): Promise<ONetOutput> {
    const count = countOf(boxes);
    const scores = new Float32Array(count);
    const regressions = new Float32Array(count * 4);
    const landmarks = new Float32Array(count * 10);
    for await (const { from, length, values } of this.#crops(boxes, O_NET_SIZE)) {
      const output = await this.#networks.clock.during(() => this.#networks.output(values, length));
      scores.set(output.scores, from);
      regressions.set(output.regressions, from * 4);
      landmarks.set(output.landmarks, from * 10);
    }
    return { scores, regressions, landmarks };
  }

  /** The crops of all boxes in batches. A batch begins with box number `from`, and may have boxes of several photos. */
  async *#crops(
    boxes: readonly (readonly Box[])[],
    size: number,
  ): AsyncGenerator<{ from: number; length: number; values: Float32Array }> {
    const cropLength = size * size * 3;
    const count = countOf(boxes);
    let values = new Float32Array(Math.min(count, LARGEST_BATCH) * cropLength);
    let [from, length] = [0, 0];
    for (const [index, photo] of this.#photos.entries()) {
      const list = boxes[index]!;
      for (let first = 0; first < list.length;) {
        const some = list.slice(first, first + LARGEST_BATCH - length);
        values.set(await photo.crops(some, size), length * cropLength);
        first += some.length;
        length += some.length;
        if (length < LARGEST_BATCH) continue;
        yield { from, length, values };
        from += length;
        length = 0;
        values = new Float32Array(Math.min(count - from, LARGEST_BATCH) * cropLength);
      }
    }
    if (length > 0) yield { from, length, values };
  }
}

function countOf(boxes: readonly (readonly Box[])[]): number {
  return boxes.reduce((sum, { length }) => sum + length, 0);
}

/** Number of P-Net's cells along a side of `pixels` pixels. */
function cellsAlong(pixels: number): number {
  return Math.ceil((pixels - 2) / 2) - 4;
}

/** Number of columns of a level, from 2 · first on, for `count` cells from `first` on. */
function columnsOfCells(first: number, count: number, levelWidth: number): number {
  return Math.min(STRIDE * (count + 4) + 2, levelWidth - STRIDE * first);
}

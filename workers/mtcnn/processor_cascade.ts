/** The cascade's networks on the processor: pyramids and crops are cut there, and the networks take them as tensors. */
import type { BackendMemory } from '../protocol/device.ts';
import { generateBoxes, type Box, type Candidate } from './boxes.ts';
import type { CascadeNetworks, PhotoNetworks } from './cascade_networks.ts';
import {
  O_NET_SIZE,
  R_NET_SIZE,
  type Networks,
  type ONetOutput,
  type RNetOutput,
} from './network_outputs.ts';
import type { CascadePhoto } from './photo.ts';

/** Crops that go through a network at once. */
const LARGEST_BATCH = 256;

export class ProcessorCascade implements CascadeNetworks {
  readonly #networks: Networks;

  constructor(networks: Networks) {
    this.#networks = networks;
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
    return work(new PhotosOnProcessor(this.#networks, photos));
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

  constructor(networks: Networks, photos: readonly CascadePhoto[]) {
    this.#networks = networks;
    this.#photos = photos;
  }

  async propose(threshold: number): Promise<Candidate[][][]> {
    const proposed: Candidate[][][] = [];
    for (const photo of this.#photos) {
      const levels: Candidate[][] = [];
      for (const [index, scale] of photo.scales.entries()) {
        const { width, height, values } = photo.level(index);
        const { clock } = this.#networks;
        const output = (await clock.during(() => this.#networks.proposals([values], width, height)))[0]!;
        const { scores, regressions } = output;
        levels.push(generateBoxes(scores, regressions, output.width, output.height, scale, threshold));
      }
      proposed.push(levels);
    }
    return proposed;
  }

  async refine(boxes: readonly (readonly Box[])[]): Promise<RNetOutput> {
    const all = await this.#crops(boxes, R_NET_SIZE);
    const scores = new Float32Array(all.count);
    const regressions = new Float32Array(all.count * 4);
    for (const { from, count, values } of all.batches()) {
      const output = await this.#networks.clock.during(() => this.#networks.refine(values, count));
      scores.set(output.scores, from);
      regressions.set(output.regressions, from * 4);
    }
    return { scores, regressions };
  }

  async output(boxes: readonly (readonly Box[])[]): Promise<ONetOutput> {
    const all = await this.#crops(boxes, O_NET_SIZE);
    const scores = new Float32Array(all.count);
    const regressions = new Float32Array(all.count * 4);
    const landmarks = new Float32Array(all.count * 10);
    for (const { from, count, values } of all.batches()) {
      const output = await this.#networks.clock.during(() => this.#networks.output(values, count));
      scores.set(output.scores, from);
      regressions.set(output.regressions, from * 4);
      landmarks.set(output.landmarks, from * 10);
    }
    return { scores, regressions, landmarks };
  }

  async #crops(boxes: readonly (readonly Box[])[], size: number): Promise<Crops> {
    const values = await Promise.all(
      this.#photos.map((photo, index) =>
        boxes[index]!.length === 0 ? new Float32Array() : photo.crops(boxes[index]!, size),
      ),
    );
    return new Crops(values, size * size * 3);
  }
}

/** The crops of all photos' boxes, one photo after the other. */
class Crops {
  readonly count: number;
  readonly #values: readonly Float32Array[];
  /** Values of a crop. */
  readonly #length: number;

  constructor(values: readonly Float32Array[], length: number) {
    this.#values = values;
    this.#length = length;
    this.count = values.reduce((sum, { length: size }) => sum + size / length, 0);
  }

  /** `values` holds `count` crops from number `from` on. */
  *batches(): Generator<{ from: number; count: number; values: Float32Array }> {
    const length = this.#length;
    for (let from = 0; from < this.count; from += LARGEST_BATCH) {
      const count = Math.min(LARGEST_BATCH, this.count - from);
      const values = new Float32Array(count * length);
      let first = 0;
      for (const source of this.#values) {
        const begin = Math.max(from, first);
        const end = Math.min(from + count, first + source.length / length);
        if (begin < end)
          values.set(
            source.subarray((begin - first) * length, (end - first) * length),
            (begin - from) * length,
          );
        first += source.length / length;
      }
      yield { from, count, values };
    }
  }
}

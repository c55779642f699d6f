/**
 * The cascade's networks on a graphics processor. A group's photos are uploaded once; P-Net over all levels of all of them,
 * R-Net and O-Net over all crops of all of them are a submission and a readback each.
 */
import { BusyClock } from '../../busy_clock.ts';
import { openDevice, type EngineDevice } from '../../engine/device.ts';
import type { BackendMemory } from '../../protocol/device.ts';
import { boxesOfCells, type Box, type Candidate } from '../boxes.ts';
import type { CascadeNetworks, PhotoNetworks } from '../cascade_networks.ts';
import {
  faceProbabilities,
  O_NET_SIZE,
  R_NET_SIZE,
  type ONetOutput,
  type RNetOutput,
} from '../network_outputs.ts';
import type { CascadePhoto } from '../photo.ts';
import type { MtcnnWeights } from '../weights.ts';
import { AxisWeightsList } from './axis_weights.ts';
import {
  candidateTable,
  HEADER_BYTES,
  readCandidates,
  RECORD_BYTES,
  type CellCandidate,
} from './candidates.ts';
import { cropTable, type PhotoBox } from './crop_resize.ts';
import { DetectorMemory, PHOTO_BYTES, type PhotoSlot } from './detector_memory.ts';
import { detectionError, PhotoTooLargeError } from './errors.ts';
import { LayerChain, placeStacks, VECTOR_BYTES } from './layer_chain.ts';
import { packLayers, type PackedLayers } from './layers.ts';
import { levelTable } from './level_resize.ts';
import { cellsAlong, PLAN_BOUNDS, planLevels, type PlanBounds, type Round } from './level_plan.ts';
import { photoBytes, placePhotos, writePhoto, type PlacedPhoto } from './photo_bytes.ts';
import { createPipelines, type Pipelines } from './pipelines.ts';
import { Recording, submitRecording } from './recording.ts';

/** Vectors that a cell of P-Net's and a crop of R-Net's or O-Net's have as outputs. */
const P_NET_VECTORS = 2;
const R_NET_VECTORS = 2;
const O_NET_VECTORS = 4;
/** Crops that go through a network together: what lies between the layers takes 19 MB. */
const R_NET_BATCH = 350;
const O_NET_BATCH = 70;
/** Candidates that there is room for at first, as a share of the cells. */
const CANDIDATE_SHARE = 1 / 8;
const SMALLEST_CANDIDATES = 1024;

/** What was done so far. */
export interface GpuCounts {
  submissions: number;
  dispatches: number;
  readbacks: number;
}

export class GpuCascade implements CascadeNetworks {
  readonly clock = new BusyClock();
  readonly counts: GpuCounts = { submissions: 0, dispatches: 0, readbacks: 0 };
  readonly #device: EngineDevice;
  readonly #pipelines: Pipelines;
  readonly #layers: PackedLayers['layers'];
  readonly #detectorMemory: DetectorMemory;
  readonly #bounds: PlanBounds;

  private constructor(device: EngineDevice, pipelines: Pipelines, packed: PackedLayers, bounds: PlanBounds) {
    this.#device = device;
    this.#bounds = bounds;
    this.#pipelines = pipelines;
    this.#layers = packed.layers;
    this.#detectorMemory = new DetectorMemory(device);
    const weights = this.#detectorMemory.arenas.weights.reserve(packed.values.byteLength);
    device.device.queue.writeBuffer(weights, 0, packed.values);
  }

  /**
   * @param given a device to share, or an adapter; or else the browser's
   * @param bounds of P-Net's memory
   * @throws WebGpuUnavailableError, GpuError, GpuOutOfMemoryError, DeviceLostError
   */
  static async create(
    weights: MtcnnWeights,
    given?: Parameters<typeof openDevice>[0],
    bounds = PLAN_BOUNDS,
  ): Promise<GpuCascade> {
    const device = await openDevice(given);
    try {
      const packed = packLayers(weights);
      const pipelines = await createPipelines(device, packed.layers);
      return await device.checked(
        'the face detector’s weights',
        packed.values.byteLength,
        () => new GpuCascade(device, pipelines, packed, bounds),
      );
    } catch (error) {
      device.dispose();
      throw detectionError(error);
    }
  }

  get pipelineCount(): number {
    return this.#pipelines.byName.size;
  }

  /** How often a buffer was made. */
  get growths(): number {
    return this.#detectorMemory.growths;
  }

  groups<Photo extends CascadePhoto>(photos: readonly Photo[]): Photo[][] {
    const groups: Photo[][] = [];
    const limit = Math.min(PHOTO_BYTES, this.#bufferLimit);
    let bytes = Infinity;
    for (const photo of photos) {
      const size = photoBytes(photo);
      if (bytes + size > limit) {
        groups.push([]);
        bytes = 0;
      }
      groups.at(-1)!.push(photo);
      bytes += size;
    }
    return groups;
  }

  get #bufferLimit(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** @throws PhotoTooLargeError, DeviceLostError, GpuOutOfMemoryError, GpuError */
  async look<Value>(
    photos: readonly CascadePhoto[],
    work: (networks: PhotoNetworks) => Promise<Value>,
  ): Promise<Value> {
    try {
      return await this.#detectorMemory.withSlot(async (slot) => {
        const placed = await this.#upload(photos, slot);
        return work({
          propose: (threshold) => this.clock.during(() => this.#propose(photos, placed, slot, threshold)),
          refine: (boxes) => this.clock.during(() => this.#refine(boxes, placed, slot)),
          output: (boxes) => this.clock.during(() => this.#output(boxes, placed, slot)),
        });
      });
    } catch (error) {
      throw detectionError(error);
    }
  }

  async #upload(photos: readonly CascadePhoto[], slot: PhotoSlot): Promise<PlacedPhoto[]> {
    const placed = placePhotos(photos);
    const bytes = photos.reduce((sum, photo) => sum + photoBytes(photo), 0);
    for (const { width, height } of photos)
      this.#requireFit({ width, height }, photoBytes({ width, height }));
    await this.#device.checked('the photos', bytes, () => {
      const buffer = slot.photos.reserve(bytes);
      photos.forEach(({ image }, index) =>
        writePhoto(this.#device.device.queue, buffer, placed[index]!, image),
      );
    });
    return placed;
  }

  #requireFit({ width, height }: { width: number; height: number }, bytes: number): void {
    if (bytes > this.#bufferLimit) throw new PhotoTooLargeError(width, height, bytes, this.#bufferLimit);
  }

  async #propose(
    photos: readonly CascadePhoto[],
    placed: readonly PlacedPhoto[],
    slot: PhotoSlot,
    threshold: number,
  ): Promise<Candidate[][][]> {
    const levels = photos.flatMap(({ width, height, scales }, photo) =>
      scales.map((scale) => ({
        photo,
        scale,
        width: Math.ceil(width * scale),
        height: Math.ceil(height * scale),
      })),
    );
    if (levels.length === 0) return photos.map(() => []);
    const rounds = planLevels(levels, this.#bounds);
    const recording = new Recording();
    const axes = new AxisWeightsList();
    let cells = 0;
    for (const round of rounds) {
      const roundCells = round.levels.reduce((sum, one) => sum + one.cellsWide * one.cellsHigh, 0);
      const headBytes = roundCells * P_NET_VECTORS * VECTOR_BYTES;
      this.#requireFit(photos[levels[round.levels[0]!.level]!.photo]!, headBytes);
      recording.need('heads', headBytes);
      this.#recordRound(recording, round, levels, placed, axes, threshold);
      cells += roundCells;
    }
    let room = Math.max(SMALLEST_CANDIDATES, Math.ceil(cells * CANDIDATE_SHARE));
    for (;;) {
      const bytes = HEADER_BYTES + room * RECORD_BYTES;
      recording.need('candidates', bytes);
      const { found, candidates } = readCandidates(
        await this.#run(recording, slot, axes, 'candidates', bytes),
      );
      if (candidates) return groupedCandidates(candidates, levels, photos, threshold);
      // There are as many the next time.
      room = found;
    }
  }

  #recordRound(
    recording: Recording,
    { levels: planned, batches }: Round,
    levels: readonly { photo: number; width: number; height: number }[],
    placed: readonly PlacedPhoto[],
    axes: AxisWeightsList,
    threshold: number,
  ): void {
    for (const bands of batches) {
      const shapes = bands.map(({ level, columns }) => ({
        images: 1,
        rows: columns,
        columns: levels[level.level]!.height,
      }));
      const { stacks } = placeStacks(shapes, 1);
      const table = levelTable(
        bands.map(({ level, from, columns }, index) => {
          const { photo, width, height } = levels[level.level]!;
          return { photo: placed[photo]!, width, height, from, columns, at: stacks[index]!.at };
        }),
        axes,
      );
      recording.add({
        ...({ kernel: 'level', table, depth: 1 } as const),
        ...({ constants: 'axes', source: 'photos', target: 'even' } as const),
        operations: bands.reduce((sum, { level, columns }) => {
          const { photo, width } = levels[level.level]!;
          const { width: photoWidth, height: photoHeight } = placed[photo]!;
          return sum + 12 * photoWidth * photoHeight * (columns / width);
        }, 0),
      });
      new LayerChain(recording, this.#layers, shapes)
        .convolve('pnet1')
        .pool({ size: 2, padding: 'SAME' })
        .convolve('pnet2')
        .convolve('pnet3')
        .finish(
          'pnet4',
          bands.map(({ level, firstCell }) => (level.cellsAt + firstCell * level.cellsHigh) * P_NET_VECTORS),
        );
    }
    const table = candidateTable(
      planned.map(({ level, cellsWide, cellsHigh, cellsAt }) => ({
        level,
        wide: cellsWide,
        high: cellsHigh,
        at: cellsAt * P_NET_VECTORS,
      })),
      threshold,
    );
    recording.add({
      ...({ kernel: 'candidates', table, depth: 1 } as const),
      ...({ constants: 'weights', source: 'heads', target: 'candidates' } as const),
      operations: table.threads * 4,
    });
  }

  async #refine(
    boxes: readonly (readonly Box[])[],
    placed: readonly PlacedPhoto[],
    slot: PhotoSlot,
  ): Promise<RNetOutput> {
    const { logits, regressions } = await this.#lookAtCrops(
      boxes,
      placed,
      slot,
      { size: R_NET_SIZE, batch: R_NET_BATCH, vectors: R_NET_VECTORS },
      (chain, outAt) =>
        chain
          .convolve('rnet1')
          .pool({ size: 3, padding: 'SAME' })
          .convolve('rnet2')
          .pool({ size: 3, padding: 'VALID' })
          .convolve('rnet3')
          .flatten()
          .convolve('rnet4')
          .finish('rnet5', [outAt]),
    );
    return { scores: faceProbabilities(logits), regressions };
  }

  async #output(
    boxes: readonly (readonly Box[])[],
    placed: readonly PlacedPhoto[],
    slot: PhotoSlot,
  ): Promise<ONetOutput> {
    const { logits, regressions, landmarks } = await this.#lookAtCrops(
      boxes,
      placed,
      slot,
      { size: O_NET_SIZE, batch: O_NET_BATCH, vectors: O_NET_VECTORS },
      (chain, outAt) =>
        chain
          .convolve('onet1')
          .pool({ size: 3, padding: 'SAME' })
          .convolve('onet2')
          .pool({ size: 3, padding: 'VALID' })
          .convolve('onet3')
          .pool({ size: 2, padding: 'SAME' })
          .convolve('onet4')
          .flatten()
          .convolve('onet5')
          .finish('onet6', [outAt]),
    );
    return { scores: faceProbabilities(logits), regressions, landmarks };
  }

  /** @param record the layers, from the crops on; the last one writes to a place in vectors */
  async #lookAtCrops(
    boxes: readonly (readonly Box[])[],
    placed: readonly PlacedPhoto[],
    slot: PhotoSlot,
    { size, batch, vectors }: { size: number; batch: number; vectors: number },
    record: (chain: LayerChain, outAt: number) => void,
  ): Promise<{ logits: Float32Array; regressions: Float32Array; landmarks: Float32Array }> {
    const all = boxes.flatMap((list, photo) => list.map((box): PhotoBox => ({ photo: placed[photo]!, box })));
    const logits = new Float32Array(all.length * 2);
    const regressions = new Float32Array(all.length * 4);
    const landmarks = new Float32Array(all.length * 10);
    if (all.length === 0) return { logits, regressions, landmarks };
    const recording = new Recording();
    const axes = new AxisWeightsList();
    for (let from = 0; from < all.length; from += batch) {
      const part = all.slice(from, from + batch);
      recording.add({
        ...({ kernel: 'crop', table: cropTable(part, size, axes), depth: 1 } as const),
        ...({ constants: 'axes', source: 'photos', target: 'even' } as const),
        operations: part.reduce((sum, { box }) => sum + 12 * (box.x2 - box.x1) * (box.y2 - box.y1), 0),
      });
      record(
        new LayerChain(recording, this.#layers, [{ images: part.length, rows: size, columns: size }]),
        from * vectors,
      );
    }
    const bytes = all.length * vectors * VECTOR_BYTES;
    recording.need('heads', bytes);
    const heads = new Float32Array(await this.#run(recording, slot, axes, 'heads', bytes));
    for (let crop = 0; crop < all.length; crop++) {
      const at = crop * vectors * 4;
      logits.set(heads.subarray(at, at + 2), crop * 2);
      regressions.set(heads.subarray(at + 2, at + 6), crop * 4);
      if (vectors === O_NET_VECTORS) landmarks.set(heads.subarray(at + 6, at + 16), crop * 10);
    }
    return { logits, regressions, landmarks };
  }

  /** @returns the first bytes of an arena, once all of it is done */
  async #run(
    recording: Recording,
    slot: PhotoSlot,
    axes: AxisWeightsList,
    wanted: 'candidates' | 'heads',
    bytes: number,
  ): Promise<ArrayBuffer> {
    const arenas = { ...this.#detectorMemory.arenas, photos: slot.photos };
    const axisWords = axes.encode();
    const memory = ['even', 'odd', 'heads', 'candidates'] as const;
    const neededBytes = memory.reduce((sum, name) => sum + recording.bytesOf(name), 0);
    const { target, mapping } = await this.#device.checked('the face detector', neededBytes, () => {
      const readback = slot.readback.reserve(bytes);
      submitRecording(
        this.#device,
        this.#pipelines,
        recording,
        arenas,
        axisWords,
        (encoder) => {
          if (wanted === 'candidates')
            encoder.clearBuffer(arenas.candidates.reserve(recording.bytesOf('candidates')), 0, HEADER_BYTES);
        },
        (encoder) =>
          encoder.copyBufferToBuffer(
            arenas[wanted].reserve(recording.bytesOf(wanted)),
            0,
            readback,
            0,
            bytes,
          ),
      );
      this.counts.submissions++;
      this.counts.dispatches += recording.dispatches.length;
      this.counts.readbacks++;
      const mapped = readback.mapAsync(GPUMapMode.READ, 0, bytes);
      // It is waited for below, unless the submission was refused.
      mapped.catch(() => undefined);
      return { target: readback, mapping: mapped };
    });
    await this.#device.guard(mapping, 'the face detector');
    const values = target.getMappedRange(0, bytes).slice(0);
    target.unmap();
    return values;
  }

  memory(): BackendMemory {
    const { bytes } = this.#detectorMemory;
    return { usedBytes: bytes, allocatedBytes: bytes };
  }

  dispose(): void {
    this.#detectorMemory.dispose();
    this.#device.dispose();
  }
}

/** By photo and level, with the exact threshold. */
function groupedCandidates(
  candidates: readonly CellCandidate[],
  levels: readonly { readonly photo: number; readonly scale: number; readonly height: number }[],
  photos: readonly CascadePhoto[],
  threshold: number,
): Candidate[][][] {
  const byLevel = levels.map((): CellCandidate[] => []);
  for (const candidate of candidates) byLevel[candidate.level]!.push(candidate);
  const grouped = photos.map((): Candidate[][] => []);
  levels.forEach(({ photo, scale, height }, level) => {
    const high = cellsAlong(height);
    const cells = byLevel[level]!.flatMap(({ cell, logits, regression, mirrored }) => {
      const score = faceProbabilities(logits)[0]!;
      return score >= threshold
        ? [{ x: Math.floor(cell / high), y: cell % high, score, regression, mirrored }]
        : [];
    });
    grouped[photo]!.push(boxesOfCells(cells, scale));
  });
  return grouped;
}

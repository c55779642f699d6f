/**
 * The networks of the cascade on the GPU. The photos of a group are uploaded once. P-Net over all their levels, R-Net
 * over all their crops and O-Net over all their crops are one submission and one readback each.
 */
import { BusyClock } from '../../common/busy_clock.ts';
import { openDevice, type EngineDevice } from '../../gpu/device.ts';
import type { BackendMemory } from '../../protocol/device.ts';
import type { Box, Candidate } from '../boxes.ts';
import type { CascadeNetworks, PhotoNetworks } from '../cascade_networks.ts';
import type { ONetOutput } from '../network_outputs.ts';
import type { CascadePhoto } from '../photo.ts';
import type { MtcnnWeights } from '../weights.ts';
import { AxisWeightsList } from './axis_weights.ts';
import { HEADER_BYTES, readCandidates, RECORD_BYTES } from './candidates.ts';
import { O_NET, R_NET, readOutputs, recordCrops, type CropNetwork } from './crop_networks.ts';
import { DetectorMemory, PHOTO_BYTES, type PhotoSlot } from './detector_memory.ts';
import { detectionError, PhotoTooLargeError } from './errors.ts';
import { packLayers, type PackedLayers } from './layers.ts';
import { PLAN_BOUNDS, planLevels, type PlanBounds } from './level_plan.ts';
import { photoBytes, placePhotos, writePhoto, type PlacedPhoto } from './photo_bytes.ts';
import { createPipelines, type Pipelines } from './pipelines.ts';
import { cellsOf, groupCandidates, levelsOf, outputBytes, recordRound } from './proposals.ts';
import { Recording, submitRecording } from './recording.ts';

/** At first there is room for this share of the cells as candidates. */
const CANDIDATE_SHARE = 1 / 8;
const SMALLEST_CANDIDATES = 1024;

/** Counts of the work so far. */
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
   * @param given a device to share, or an adapter; default: the browser's adapter
   * @param bounds limits for P-Net's memory
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

  /** How often a buffer was created. */
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
          refine: (boxes) => this.clock.during(() => this.#lookAtCrops(R_NET, boxes, placed, slot)),
          output: (boxes) => this.clock.during(() => this.#lookAtCrops(O_NET, boxes, placed, slot)),
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
    const levels = levelsOf(photos);
    if (levels.length === 0) return photos.map(() => []);
    const recording = new Recording();
    const axes = new AxisWeightsList();
    let cells = 0;
    for (const round of planLevels(levels, this.#bounds)) {
      this.#requireFit(photos[levels[round.levels[0]!.level]!.photo]!, outputBytes(round));
      recordRound(recording, this.#layers, round, levels, placed, axes, threshold);
      cells += cellsOf(round);
    }
    let room = Math.max(SMALLEST_CANDIDATES, Math.ceil(cells * CANDIDATE_SHARE));
    for (;;) {
      const bytes = HEADER_BYTES + room * RECORD_BYTES;
      recording.reserve('candidates', bytes);
      const { found, candidates } = readCandidates(
        await this.#run(recording, slot, axes, 'candidates', bytes),
      );
      if (candidates) return groupCandidates(candidates, levels, photos.length, threshold);
      // The second attempt has room for all of them.
      room = found;
    }
  }

  async #lookAtCrops(
    network: CropNetwork,
    boxes: readonly (readonly Box[])[],
    placed: readonly PlacedPhoto[],
    slot: PhotoSlot,
  ): Promise<ONetOutput> {
    const all = boxes.flatMap((list, photo) => list.map((box) => ({ photo: placed[photo]!, box })));
    if (all.length === 0) return readOutputs(network, new Float32Array());
    const recording = new Recording();
    const axes = new AxisWeightsList();
    const bytes = recordCrops(recording, this.#layers, network, all, axes);
    return readOutputs(network, new Float32Array(await this.#run(recording, slot, axes, 'heads', bytes)));
  }

  /** @returns the first bytes of an arena, after all the work is done */
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
      // This is awaited below, unless the submission was refused.
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

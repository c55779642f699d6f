/** The whole cascade on the GPU: compared with the CPU, its memory, its counts, and its errors. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { GpuOutOfMemoryError } from '../../../workers/gpu/errors.ts';
import { detectInPhotos, type Detection } from '../../../workers/detector/cascade.ts';
import { cutOut } from '../../../workers/detector/crops.ts';
import { FaceDetector } from '../../../workers/detector/detector.ts';
import { PhotoTooLargeError } from '../../../workers/detector/gpu/errors.ts';
import { GpuCascade } from '../../../workers/detector/gpu/gpu_cascade.ts';
import { Photo } from '../../../workers/detector/photo.ts';
import { ProcessorCascade } from '../../../workers/detector/processor_cascade.ts';
import { SimdNetworks } from '../../../workers/detector/simd/networks.ts';
import { fetchMtcnnWeights, parseMtcnnWeights } from '../../../workers/detector/weights.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import astronautUrl from '../../fixtures/astronaut.png?url';
import { randomPhoto } from './mtcnn_gpu_support.ts';

const weights = parseMtcnnWeights(await fetchMtcnnWeights());
const astronaut = await decodeImage(await (await fetch(astronautUrl)).blob(), 'astronaut.png');
const processor = new ProcessorCascade(new SimdNetworks(weights));
const gpu = await GpuCascade.create(weights);
const { thresholds, factor } = DEFAULT_ALIGN_OPTIONS;

/** A part of the astronaut with the face; the face is 88 × 114 pixels. */
function part(left: number, top: number, width: number, height: number): RgbImage {
  return { width, height, data: cutOut(astronaut, left, top, width, height) };
}

function expectSame(actual: readonly Detection[], expected: readonly Detection[]): void {
  expect(actual.map(({ faces, rNetCount, oNetCount }) => [faces.length, rNetCount, oNetCount])).toEqual(
    expected.map(({ faces, rNetCount, oNetCount }) => [faces.length, rNetCount, oNetCount]),
  );
  actual.forEach(({ faces }, photo) =>
    faces.forEach((face, index) => {
      const other = expected[photo]!.faces[index]!;
      expect(face.score).toBeCloseTo(other.score, 4);
      for (const key of ['box', 'landmarksX', 'landmarksY'] as const)
        face[key].forEach((value, place) => expect(Math.abs(value - other[key][place]!)).toBeLessThan(0.01));
    }),
  );
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the cascade on the GPU', () => {
  it('finds what the processor finds, in photos of several sizes together', async () => {
    const options = { minsize: 48, factor };
    const photos = [
      part(130, 20, 190, 200),
      randomPhoto(61, 150, 1),
      part(150, 40, 131, 163),
      // Too small for any level.
      randomPhoto(40, 47, 2),
      part(100, 0, 250, 250),
      // One level of one cell.
      randomPhoto(48, 48, 3),
    ].map((image) => Photo.of(image, options));
    const before = { ...gpu.counts };
    const actual = await detectInPhotos(gpu, photos, thresholds);
    expectSame(actual, await detectInPhotos(processor, photos, thresholds));
    expect(actual.reduce((sum, { faces }) => sum + faces.length, 0)).toBe(3);
    // One each for P-Net, R-Net and O-Net.
    expect(gpu.counts.readbacks - before.readbacks).toBe(3);
    // The resize, five layers and the collection; then a batch of crops each.
    expect(gpu.counts.dispatches - before.dispatches).toBe(7 + 8 + 10);
  });

  it('finds what the processor finds in levels that go through P-Net in bands, and in several rounds', async () => {
    const photos = [part(130, 20, 190, 200), randomPhoto(61, 150, 1), part(150, 40, 131, 163)].map((image) =>
      Photo.of(image, { minsize: 15, factor }),
    );
    const tight = await GpuCascade.create(weights, {}, { batchPixels: 6000, roundCells: 3000 });
    expectSame(
      await detectInPhotos(tight, photos, thresholds),
      await detectInPhotos(processor, photos, thresholds),
    );
    expect(tight.counts.readbacks).toBe(3);
    // With all levels in one batch there would be seven for P-Net, and one batch of crops each.
    expect(tight.counts.dispatches).toBeGreaterThan(60);
    tight.dispose();
  });

  it('asks again with more room where more cells pass than there is room for', async () => {
    const photo = Photo.of(part(130, 20, 190, 200), { minsize: 20, factor });
    const before = gpu.counts.readbacks;
    const [candidates] = await gpu.look([photo], (looking) => looking.propose(0));
    expect(gpu.counts.readbacks - before).toBe(2);
    const [expected] = await processor.look([photo], (looking) => looking.propose(0));
    expect(candidates!.map(({ length }) => length)).toEqual(expected!.map(({ length }) => length));
  });

  it('needs no more memory for photos of many sizes than for the largest, and makes no pipeline', async () => {
    const sizes = Array.from({ length: 24 }, (_, index) => [
      40 + ((index * 37) % 90),
      40 + ((index * 53) % 90),
    ]);
    const photos = [[130, 130], ...sizes].map(([width, height], index) =>
      Photo.of(randomPhoto(width!, height!, index), { minsize: 30, factor }),
    );
    const createBuffer = vi.spyOn(GPUDevice.prototype, 'createBuffer');
    const createPipeline = vi.spyOn(GPUDevice.prototype, 'createComputePipelineAsync');
    const createShader = vi.spyOn(GPUDevice.prototype, 'createShaderModule');
    // This is the largest group.
    await detectInPhotos(gpu, [photos[0]!, photos[0]!, photos[0]!], [0.3, 0.7, 0.7]);
    const [bytes, growths] = [gpu.memory().allocatedBytes, gpu.growths];
    createBuffer.mockClear();
    for (const photo of photos) await detectInPhotos(gpu, [photo], thresholds);
    await Promise.all(photos.map((photo) => detectInPhotos(gpu, [photo], thresholds)));
    // The second of the two concurrent groups may not have had its buffers (photos and readback) yet.
    expect(gpu.growths - growths).toBeLessThanOrEqual(4);
    expect(createBuffer.mock.calls.length).toBe(gpu.growths - growths);
    expect(gpu.memory().allocatedBytes - bytes).toBeLessThan(1e6);
    expect(createPipeline).not.toHaveBeenCalled();
    expect(createShader).not.toHaveBeenCalled();
    expect(gpu.pipelineCount).toBe(19);
  });

  it('divides photos into groups whose pixels have a bound', () => {
    const small = { width: 4000, height: 4000, scales: [] } as unknown as Photo;
    const groups = gpu.groups([small, small, small]);
    expect(groups.map(({ length }) => length)).toEqual([1, 1, 1]);
    const tiny = { width: 250, height: 250, scales: [] } as unknown as Photo;
    expect(gpu.groups([tiny, tiny, tiny])).toHaveLength(1);
  });

  it('says that a photo is too large, and continues', async () => {
    // More than any adapter can bind.
    const image = { width: 60_000, height: 60_000, data: new Uint8Array(0) };
    const error: unknown = await detectInPhotos(
      gpu,
      [Photo.of(image, { minsize: 6e4, factor })],
      thresholds,
    ).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PhotoTooLargeError);
    expect((error as Error).message).toMatch(/60000 × 60000 pixels needs a buffer of 10800 MB.*minsize/);
    const photo = Photo.of(part(150, 40, 131, 163), { minsize: 60, factor });
    expect((await detectInPhotos(gpu, [photo], thresholds))[0]!.faces).toHaveLength(1);
  });
});

describe('a detector whose GPU fails', () => {
  const face = part(150, 40, 131, 163);
  const options = { ...DEFAULT_ALIGN_OPTIONS, minsize: 60 };
  let detector: FaceDetector | undefined;
  afterEach(() => detector?.dispose());

  /** Runs `act` with the device at the `count`th request for results. */
  function atReadback(count: number, act: (device: GPUDevice) => void): void {
    const devices: GPUDevice[] = [];
    const requestDevice = GPUAdapter.prototype.requestDevice;
    vi.spyOn(GPUAdapter.prototype, 'requestDevice').mockImplementation(async function (
      this: GPUAdapter,
      descriptor,
    ) {
      const device = await requestDevice.call(this, descriptor);
      devices.push(device);
      return device;
    });
    const mapAsync = GPUBuffer.prototype.mapAsync;
    let calls = 0;
    vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockImplementation(function (this: GPUBuffer, ...values) {
      if (++calls === count) act(devices.at(-1)!);
      return mapAsync.apply(this, values);
    });
  }

  it.each([1, 3])('is lost at readback %i: asks for it again and finds all faces', async (count) => {
    atReadback(count, (device) => device.destroy());
    detector = await FaceDetector.create('webgpu');
    const detections = await Promise.all([detector.detect(face, options), detector.detect(face, options)]);
    expect(detections.map(({ faces }) => faces.length)).toEqual([1, 1]);
    expect(detector.networksMs).toBeGreaterThan(0);
  });

  it('that has no memory left says so, and can be used again', async () => {
    detector = await FaceDetector.create('webgpu');
    expect((await detector.detect(face, options)).faces).toHaveLength(1);
    const popErrorScope = vi
      .spyOn(GPUDevice.prototype, 'popErrorScope')
      .mockResolvedValue(new GPUOutOfMemoryError('no room'));
    const error: unknown = await detector.detect(face, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GpuOutOfMemoryError);
    expect((error as Error).message).toMatch(/no room.*backend wasm/);
    popErrorScope.mockRestore();
    expect((await detector.detect(face, options)).faces).toHaveLength(1);
  });
});

/** The face detector. It chooses a backend, and loads the weights at the first use. */
import { DeviceLostError, EngineClosedError, WebGpuUnavailableError } from '../gpu/errors.ts';
import type { RgbImage } from '../protocol/data/images.ts';
import type { BackendMemory, BackendName, DeviceInfo } from '../protocol/device.ts';
import { hasVectors } from '../webassembly/has_vectors.ts';
import { describeDevice } from '../gpu/describe_device.ts';
import { detectInPhotos, type Detection, type DetectionOptions } from './cascade.ts';
import type { CascadeNetworks } from './cascade_networks.ts';
import { PhotoTooLargeError } from './gpu/errors.ts';
import { GpuCascade } from './gpu/gpu_cascade.ts';
import { Photo, type CascadePhoto } from './photo.ts';
import { ProcessorCascade } from './processor_cascade.ts';
import { SimdNetworks } from './simd/networks.ts';
import { fetchMtcnnWeights, parseMtcnnWeights, type MtcnnWeights } from './weights.ts';

type MakeNetworks = (weights: MtcnnWeights) => CascadeNetworks | Promise<CascadeNetworks>;

/** Waits before each attempt, because a lost GPU may take some time to come back. */
const WAITS_MS = [0, 0, 500, 1500, 4000];

export class FaceDetector {
  static readonly #open = new Set<FaceDetector>();
  readonly device: DeviceInfo;
  readonly #make: MakeNetworks;
  #loading: Promise<CascadeNetworks> | undefined;
  #networks: CascadeNetworks | undefined;
  /** The busy time of networks that were lost with their device. */
  #earlierMs = 0;
  #isDisposed = false;

  private constructor(device: DeviceInfo, make: MakeNetworks) {
    this.device = device;
    this.#make = make;
    FaceDetector.#open.add(this);
  }

  /**
   * The networks run in our own kernels on WebGPU or WebAssembly SIMD. In browsers without WebAssembly SIMD they run on
   * TensorFlow.js.
   * @throws WebGpuUnavailableError, BackendUnavailableError
   */
  static async create(requested?: BackendName): Promise<FaceDetector> {
    const device = await describeDevice();
    const backend = requested ?? device.backend;
    if (backend === 'webgpu') {
      if (!device.hasWebGpu) throw new WebGpuUnavailableError(USE_WASM);
      return new FaceDetector({ ...device, backend }, (weights) => GpuCascade.create(weights));
    }
    if (hasVectors())
      return new FaceDetector(
        { ...device, backend },
        (weights) => new ProcessorCascade(new SimdNetworks(weights)),
      );
    const [{ selectBackend }, { MtcnnNetworks }] = await Promise.all([
      import('../compute/tfjs/backends.ts'),
      import('./networks.ts'),
    ]);
    return new FaceDetector(
      await selectBackend(backend),
      (weights) => new ProcessorCascade(new MtcnnNetworks(weights)),
    );
  }

  /** A detector that uses one thread. Several run side by side on the CPU, one per core. */
  static async createSingleThreaded(): Promise<FaceDetector> {
    if (!hasVectors()) {
      // This import registers the flag.
      await import('@tensorflow/tfjs-backend-wasm');
      const { env } = await import('@tensorflow/tfjs-core');
      env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    }
    return FaceDetector.create('wasm');
  }

  /** The memory of the networks of all detectors in this worker. */
  static memory(): BackendMemory {
    const held = [...FaceDetector.#open].flatMap((one) => one.#networks?.memory() ?? []);
    return {
      usedBytes: held.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      allocatedBytes: held.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
    };
  }

  /** How long the networks have been busy. */
  get networksMs(): number {
    return this.#earlierMs + (this.#networks?.clock.busyMs ?? 0);
  }

  async detect(image: RgbImage, options: DetectionOptions): Promise<Detection> {
    const [detection] = await this.detectInPhotos([Photo.of(image, options)], options);
    return detection!;
  }

  /**
   * Requests a lost GPU again, and then processes the photos again.
   * @returns one detection per photo, in order; boxes are in pixels of the decoded photo
   * @throws PhotoTooLargeError, DeviceLostError (when it does not come back), GpuOutOfMemoryError, GpuError
   */
  async detectInPhotos(photos: readonly CascadePhoto[], options: DetectionOptions): Promise<Detection[]> {
    let loss: DeviceLostError | undefined;
    for (const waitMs of WAITS_MS) {
      if (waitMs > 0) await sleep(waitMs);
      if (this.#isDisposed) break;
      const loading = (this.#loading ??= this.#load());
      let isLoaded = false;
      try {
        const networks = await loading;
        isLoaded = true;
        return await detectInPhotos(networks, photos, options.thresholds);
      } catch (error) {
        if (error instanceof PhotoTooLargeError) throw error;
        // Networks that have failed are not kept. They are created again for the next photos.
        this.#forget(loading);
        // Another group of photos has noticed the failure first, or a GPU that worked is unavailable for a moment.
        const isPassing = error instanceof EngineClosedError || (loss !== undefined && !isLoaded);
        if (error instanceof DeviceLostError) loss = error;
        else if (!isPassing) throw error;
      }
    }
    throw loss ?? new EngineClosedError();
  }

  async #load(): Promise<CascadeNetworks> {
    this.#networks = await this.#make(parseMtcnnWeights(await fetchMtcnnWeights()));
    return this.#networks;
  }

  /** Several groups of photos may notice the loss of the same networks, so forget only these. */
  #forget(loading: Promise<CascadeNetworks>): void {
    if (this.#loading !== loading) return;
    this.#loading = undefined;
    this.#earlierMs = this.networksMs;
    this.#networks?.dispose();
    this.#networks = undefined;
  }

  dispose(): void {
    this.#isDisposed = true;
    FaceDetector.#open.delete(this);
    void this.#loading?.then(
      (networks) => networks.dispose(),
      () => undefined,
    );
    this.#loading = undefined;
  }
}

const USE_WASM = 'Use the WebAssembly backend (wasm) instead.';

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

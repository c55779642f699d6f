/** The face detector, ready to use: backend chosen, weights loaded when they are first needed. */
import type { RgbImage } from '../dataset/image.ts';
import type { BackendMemory, BackendName, DeviceInfo } from '../protocol/device.ts';
import { hasVectors } from '../webassembly/has_vectors.ts';
import { describeDevice } from '../tfjs/device.ts';
import { detectInPhotos, type Detection, type DetectionOptions } from './cascade.ts';
import type { Networks } from './network_outputs.ts';
import { Photo, type CascadePhoto } from './photo.ts';
import { SimdNetworks } from './simd/networks.ts';
import { fetchMtcnnWeights, parseMtcnnWeights, type MtcnnWeights } from './weights.ts';

type MakeNetworks = (weights: MtcnnWeights) => Networks;

export class FaceDetector {
  static readonly #open = new Set<FaceDetector>();
  readonly device: DeviceInfo;
  readonly #make: MakeNetworks;
  #loading: Promise<Networks> | undefined;
  #networks: Networks | undefined;

  private constructor(device: DeviceInfo, make: MakeNetworks) {
    this.device = device;
    this.#make = make;
    FaceDetector.#open.add(this);
  }

  /**
   * On WebGPU the networks run on TensorFlow.js, on the processor in kernels of their own, or on TensorFlow.js where the
   * browser lacks the instructions for them.
   * @throws BackendUnavailableError
   */
  static async create(requested?: BackendName): Promise<FaceDetector> {
    const device = await describeDevice();
    const backend = requested ?? device.backend;
    if (backend === 'wasm' && hasVectors())
      return new FaceDetector({ ...device, backend }, (weights) => new SimdNetworks(weights));
    const [{ selectBackend }, { MtcnnNetworks }] = await Promise.all([
      import('../tfjs/backends.ts'),
      import('./networks.ts'),
    ]);
    return new FaceDetector(await selectBackend(backend), (weights) => new MtcnnNetworks(weights));
  }

  /** One of several beside each other on the processor: a thread each is all the machine has. */
  static async createSingleThreaded(): Promise<FaceDetector> {
    if (!hasVectors()) {
      // Registers the flag.
      await import('@tensorflow/tfjs-backend-wasm');
      const { env } = await import('@tensorflow/tfjs-core');
      env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    }
    return FaceDetector.create('wasm');
  }

  /** What the networks of all detectors of this worker hold. */
  static memory(): BackendMemory {
    const held = [...FaceDetector.#open].flatMap((one) => one.#networks?.memory() ?? []);
    return {
      usedBytes: held.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      allocatedBytes: held.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
    };
  }

  /** How long the networks were busy so far. */
  get networksMs(): number {
    return this.#networks?.clock.busyMs ?? 0;
  }

  async detect(image: RgbImage, options: DetectionOptions): Promise<Detection> {
    const [detection] = await this.detectInPhotos([Photo.of(image, options)], options);
    return detection!;
  }

  /** @returns a detection a photo, in order; boxes are in the photos' decoded pixels */
  async detectInPhotos(photos: readonly CascadePhoto[], options: DetectionOptions): Promise<Detection[]> {
    this.#loading ??= this.#load();
    const networks = await this.#loading;
    const detections = await detectInPhotos(networks, photos, options.thresholds);
    networks.trim();
    return detections;
  }

  async #load(): Promise<Networks> {
    this.#networks = this.#make(parseMtcnnWeights(await fetchMtcnnWeights()));
    return this.#networks;
  }

  dispose(): void {
    FaceDetector.#open.delete(this);
    void this.#loading?.then(
      (networks) => networks.dispose(),
      () => undefined,
    );
    this.#loading = undefined;
  }
}

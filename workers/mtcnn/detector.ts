/** The face detector, ready to use: backend chosen, weights loaded when they are first needed. */
import * as tf from '@tensorflow/tfjs-core';
import type { RgbImage } from '../dataset/image.ts';
import type { BackendName, DeviceInfo } from '../protocol.ts';
import { selectBackend } from '../tfjs/backends.ts';
import { detectInPhotos, type Detection, type DetectionOptions } from './cascade.ts';
import { MtcnnNetworks } from './networks.ts';
import { Photo, type CascadePhoto } from './photo.ts';
import { trimGpuMemory } from './trim_memory.ts';
import { fetchMtcnnWeights, parseMtcnnWeights } from './weights.ts';

export class FaceDetector {
  readonly device: DeviceInfo;
  #networks: Promise<MtcnnNetworks> | undefined;
  #networksMs: () => number = () => 0;

  private constructor(device: DeviceInfo) {
    this.device = device;
  }

  static async create(backend?: BackendName): Promise<FaceDetector> {
    return new FaceDetector(await selectBackend(backend));
  }

  /** One of several beside each other on the processor: a thread each is all the machine has. */
  static async createSingleThreaded(): Promise<FaceDetector> {
    // Registers the flag.
    await import('@tensorflow/tfjs-backend-wasm');
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    return FaceDetector.create('wasm');
  }

  /** How long the networks were busy so far. */
  get networksMs(): number {
    return this.#networksMs();
  }

  async detect(image: RgbImage, options: DetectionOptions): Promise<Detection> {
    const [detection] = await this.detectInPhotos([Photo.of(image, options)], options);
    return detection!;
  }

  /** @returns a detection a photo, in order; boxes are in the photos' decoded pixels */
  async detectInPhotos(photos: readonly CascadePhoto[], options: DetectionOptions): Promise<Detection[]> {
    this.#networks ??= this.#load();
    const detections = await detectInPhotos(await this.#networks, photos, options.thresholds);
    trimGpuMemory();
    return detections;
  }

  async #load(): Promise<MtcnnNetworks> {
    const networks = new MtcnnNetworks(parseMtcnnWeights(await fetchMtcnnWeights()));
    this.#networksMs = () => networks.clock.busyMs;
    return networks;
  }

  dispose(): void {
    void this.#networks?.then(
      (networks) => networks.dispose(),
      () => undefined,
    );
    this.#networks = undefined;
  }
}

/** The face detector, ready to use: backend chosen, weights loaded. */
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
  readonly #networks: MtcnnNetworks;

  private constructor(device: DeviceInfo, networks: MtcnnNetworks) {
    this.device = device;
    this.#networks = networks;
  }

  static async create(backend?: BackendName): Promise<FaceDetector> {
    const [device, shard] = await Promise.all([selectBackend(backend), fetchMtcnnWeights()]);
    return new FaceDetector(device, new MtcnnNetworks(parseMtcnnWeights(shard)));
  }

  async detect(image: RgbImage, options: DetectionOptions): Promise<Detection> {
    const [detection] = await this.detectInPhotos([Photo.of(image, options)], options);
    return detection!;
  }

  /** @returns a detection a photo, in order; boxes are in the photos' decoded pixels */
  async detectInPhotos(photos: readonly CascadePhoto[], options: DetectionOptions): Promise<Detection[]> {
    const detections = await detectInPhotos(this.#networks, photos, options.thresholds);
    trimGpuMemory();
    return detections;
  }

  dispose(): void {
    this.#networks.dispose();
  }
}

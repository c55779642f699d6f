/** The face detector, ready to use: backend chosen, weights loaded. */
import type { RgbImage } from '../dataset/image.ts';
import type { BackendName, DeviceInfo } from '../protocol.ts';
import { selectBackend } from '../tfjs/backends.ts';
import { detectFaces, type Detection, type DetectionOptions } from './cascade.ts';
import { MtcnnNetworks } from './networks.ts';
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

  detect(image: RgbImage, options: DetectionOptions): Promise<Detection> {
    return detectFaces(this.#networks, image, options);
  }

  dispose(): void {
    this.#networks.dispose();
  }
}

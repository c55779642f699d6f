/** Entry point of a pool's worker: files of training images → pixels; see jobs/image_pool.ts. */
import { expose, transfer } from 'comlink';
import { decodeImage } from './files/images/decode.ts';
import { UnreadableImageError } from './protocol/data/file_errors.ts';
import type { RgbImage } from './protocol/data/images.ts';

const api = {
  /** @returns the pixels, or why there are none */
  async decode(blob: Blob, path: string): Promise<RgbImage | { readonly unreadable: string }> {
    try {
      const image = await decodeImage(blob, path);
      return transfer(image, [image.data.buffer as ArrayBuffer]);
    } catch (error) {
      if (!(error instanceof UnreadableImageError)) throw error;
      return { unreadable: error.message };
    }
  },
};

export type TrainingImagesWorkerApi = typeof api;

expose(api);

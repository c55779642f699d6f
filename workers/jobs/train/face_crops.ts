/** How the faces of a training set were cut out of their photos, from the records inside of some of them. */
import type { ImageFile } from '../../files/classes.ts';
import type { FaceCrops } from '../../protocol/train/runs.ts';
import { recordInside } from '../../files/photo_record.ts';

/** Spread over the set: the faces of one alignment were all cut out alike. */
const MOST_ASKED = 16;

/** @returns undefined where no face says it, or two say different things; a face that cannot be read says nothing */
export async function faceCropsOf(
  images: readonly ImageFile[],
  signal?: AbortSignal,
): Promise<FaceCrops | undefined> {
  let crops: FaceCrops | undefined;
  const step = Math.max(1, Math.ceil(images.length / MOST_ASKED));
  for (let index = 0; index < images.length; index += step) {
    signal?.throwIfAborted();
    const { directory, path } = images[index]!;
    const record = await directory
      .read(path)
      .then(recordInside)
      .catch(() => undefined);
    if (!record) continue;
    const { image_size, margin, alignment = 'box' } = record.settings;
    // A margin says nothing about faces that were aligned by their landmarks.
    if (alignment !== 'box') return undefined;
    if (crops && (crops.image_size !== image_size || crops.margin !== margin)) return undefined;
    crops = { image_size, margin };
  }
  return crops;
}

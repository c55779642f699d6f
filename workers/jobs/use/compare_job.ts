/** Photos as taken → their faces, aligned on the spot → how far apart they are: the original's compare. */
import { encodePng } from '../../files/images/encode_png.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { openDirectory } from '../../files/open.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../protocol/align/align.ts';
import type { CompareRequest, CompareResult } from '../../protocol/use/compare.ts';
import type { FaceFailure, FindFacesRequest, FoundFace } from '../../protocol/use/identify.ts';
import type { CutOptions } from '../../detector/align.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { inSlices } from '../slices.ts';
import { FaceEmbedder } from './identify_embedder.ts';
import { distancesBetween, FaceStore, findFaces } from './identify_faces.ts';
import type { FacePhoto, LocatedPhoto } from './identify_photos.ts';

/** See locateFaces. */
export type LocateFaces = (
  photos: readonly FacePhoto[],
  which: FindFacesRequest['faces'],
  options: CutOptions,
) => AsyncIterable<LocatedPhoto>;

export class NoFaceFoundError extends Error {
  override name = 'NoFaceFoundError';
  constructor(failures: CompareResult['failures']) {
    super(
      `There is nothing to compare: ${failures.map(({ message }) => message).join(' ') || 'no photo was given.'}`,
    );
  }
}

/**
 * Finds faces and measures their distances as the page does.
 * @throws NoFaceFoundError, PermissionLostError, EvaluationCancelledError, and what the executor throws
 */
export async function comparePhotos(
  loaded: LoadedModel,
  request: Omit<CompareRequest, 'model' | 'backend'>,
  locate: LocateFaces,
  createEmbedder: EmbedderFactory,
  control: JobControl,
): Promise<CompareResult> {
  const model = { ...loaded, imageSize: request.image_size ?? loaded.imageSize };
  const photos = await Promise.all(
    request.images.map(async ({ directory, path }, index): Promise<FacePhoto> => {
      return { file: { path, directory: await openDirectory(directory) }, name: path, index, person: '' };
    }),
  );
  const { margin, allFaces = false, includeCrops = false } = request;
  const store = new FaceStore();
  const faces: FoundFace[] = [];
  const failures: FaceFailure[] = [];
  const embedder = new FaceEmbedder(model, createEmbedder);
  try {
    await findFaces(
      locate(photos, allFaces ? 'all' : 'main', {
        image_size: model.imageSize,
        margin,
        alignment: model.metadata?.alignment,
      }),
      photos.length,
      {
        embed: (crops) => embedder.embed(crops),
        draw: async (crop) => (includeCrops ? pngFile(crop) : new Blob()),
        modelName: model.name,
        // One model embeds all of them.
        fingerprint: model.name,
      },
      store,
      control,
      (event) => {
        if (event.kind === 'faces') faces.push(...event.faces);
        else if (event.kind === 'failures') failures.push(...event.failures);
      },
    );
  } finally {
    await embedder.dispose();
  }
  const failed = failures.map(({ photo, message }) => ({ path: photo, message }));
  if (faces.length === 0) throw new NoFaceFoundError(failed);
  const count = faces.length;
  const distances = await inSlices(distancesBetween(store.all(faces.map(({ id }) => id))), control);
  return {
    images: faces.map(({ photo, photoIndex, number, faceCount, picture }) => ({
      index: photoIndex,
      path: photo,
      face: number,
      faceCount,
      ...(includeCrops ? { crop: picture } : {}),
    })),
    failures: failed,
    distances: faces.map((_, row) => [...distances.subarray(row * count, (row + 1) * count)]),
  };
}

async function pngFile(crop: RgbImage): Promise<Blob> {
  return new Blob([await encodePng(crop)], { type: 'image/png' });
}

/** What compare looks for: as align does by default. */
export const COMPARE_DETECTION = {
  minsize: DEFAULT_ALIGN_OPTIONS.minsize,
  thresholds: DEFAULT_ALIGN_OPTIONS.thresholds,
  factor: DEFAULT_ALIGN_OPTIONS.factor,
} as const;

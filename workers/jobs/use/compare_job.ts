/** Photos as taken → their faces, aligned on the spot → how far apart they are: the original's compare. */
import { decodeImage } from '../../files/images/decode.ts';
import { encodePng } from '../../files/images/encode_png.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { openDirectory } from '../../files/open.ts';
import { euclideanDistance } from '../../evaluation/recognition/nearest.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { chooseFace, cropBox, cropFace } from '../../detector/align.ts';
import { DEFAULT_ALIGN_OPTIONS, type DetectedFace } from '../../protocol/align/align.ts';
import type { CompareRequest, CompareResult } from '../../protocol/use/compare.ts';
import { centredTransforms } from '../../compute/step/augmentation.ts';
import { stackImages } from '../../training/batch_source.ts';
import type { ExecutorFactory } from '../../compute/executor.ts';
import { withEmbedder } from '../embedder.ts';
import { EvaluationCancelledError } from '../cancelled.ts';
import type { JobControl } from '../../protocol/job_control.ts';

/** Faces in a batch of the network. */
const BATCH_SIZE = 16;

export type DetectFaces = (image: RgbImage) => Promise<readonly DetectedFace[]>;

export class NoFaceFoundError extends Error {
  override name = 'NoFaceFoundError';
  constructor(failures: CompareResult['failures']) {
    super(
      `There is nothing to compare: ${failures.map(({ message }) => message).join(' ') || 'no photo was given.'}`,
    );
  }
}

/**
 * @param detect the faces of a photo, in its pixels
 * @throws NoFaceFoundError, EvaluationCancelledError, and what the executor throws
 */
export async function comparePhotos(
  loaded: LoadedModel,
  request: Omit<CompareRequest, 'model' | 'backend'>,
  detect: DetectFaces,
  createExecutor: ExecutorFactory,
  control: JobControl,
  decode: (blob: Blob, path: string) => Promise<RgbImage> = decodeImage,
): Promise<CompareResult> {
  const model = { ...loaded, imageSize: request.image_size ?? loaded.imageSize };
  const faces: (AlignedFace & { index: number; path: string })[] = [];
  const failures: { path: string; message: string }[] = [];
  for (const [index, { directory, path }] of request.images.entries()) {
    if (!(await control.proceed())) throw new EvaluationCancelledError();
    try {
      const image = await decode(await (await openDirectory(directory)).read(path), path);
      const found = alignFaces(image, await detect(image), request, model.imageSize);
      if (found.length > 0) faces.push(...found.map((face) => ({ index, path, ...face })));
      else failures.push({ path, message: `No face was found in ${path}.` });
    } catch (error) {
      failures.push({ path, message: error instanceof Error ? error.message : String(error) });
    }
  }
  if (faces.length === 0) throw new NoFaceFoundError(failures);
  const embeddings = await embedCrops(
    model,
    faces.map(({ crop }) => crop),
    createExecutor,
  );
  return {
    images: await Promise.all(
      faces.map(async ({ index, path, face, faceCount, crop }) => ({
        index,
        path,
        face,
        faceCount,
        ...(request.includeCrops ? { crop: new Blob([await encodePng(crop)], { type: 'image/png' }) } : {}),
      })),
    ),
    failures,
    distances: embeddings.map((a) => embeddings.map((b) => euclideanDistance(a, 0, b, 0, a.length))),
  };
}

interface AlignedFace {
  /** From 1. */
  readonly face: number;
  readonly faceCount: number;
  readonly crop: RgbImage;
}

function alignFaces(
  image: RgbImage,
  faces: readonly DetectedFace[],
  { margin, allFaces }: Pick<CompareRequest, 'margin' | 'allFaces'>,
  imageSize: number,
): AlignedFace[] {
  const { width, height } = image;
  const chosen = allFaces ? faces.keys() : [chooseFace(faces, width, height)];
  return [...chosen].flatMap((index) => {
    const face = faces[index];
    const crop = face && cropFace(image, cropBox(face.box, margin, width, height), imageSize);
    return crop ? [{ face: index + 1, faceCount: faces.length, crop }] : [];
  });
}

async function embedCrops(
  model: LoadedModel,
  crops: readonly RgbImage[],
  createExecutor: ExecutorFactory,
): Promise<Float32Array[]> {
  const size = { width: model.imageSize, height: model.imageSize };
  return withEmbedder(
    model,
    { batchSize: Math.min(BATCH_SIZE, crops.length) },
    createExecutor,
    async (executor) => {
      const rows: Float32Array[] = [];
      for (let start = 0; start < crops.length; start += BATCH_SIZE) {
        const part = crops.slice(start, start + BATCH_SIZE);
        const values = await executor.embed({
          count: part.length,
          ...size,
          pixels: stackImages(part).pixels,
          transforms: centredTransforms(part.length, size, model.imageSize),
        });
        const dimension = values.length / part.length;
        for (let row = 0; row < part.length; row++)
          rows.push(values.slice(row * dimension, (row + 1) * dimension));
      }
      return rows;
    },
  );
}

/** What compare looks for: as align does by default. */
export const COMPARE_DETECTION = {
  minsize: DEFAULT_ALIGN_OPTIONS.minsize,
  thresholds: DEFAULT_ALIGN_OPTIONS.thresholds,
  factor: DEFAULT_ALIGN_OPTIONS.factor,
} as const;

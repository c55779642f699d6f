/** Crops of faces → embeddings that are kept here, and what the page is told of them. */
import type { RgbImage } from '../../protocol/data/images.ts';
import { euclideanDistance } from '../../evaluation/recognition/nearest.ts';
import type { FaceFailure, FindFacesEvent, FoundFace } from '../../protocol/use/identify.ts';
import { EvaluationCancelledError } from '../errors.ts';
import { LARGEST_BATCH } from './identify_embedder.ts';
import type { LocatedPhoto } from './identify_photos.ts';
import { Throttle, type JobControl } from '../../protocol/job_control.ts';

const EVENT_INTERVAL_MS = 250;

export class OtherModelError extends Error {
  override name = 'OtherModelError';
  constructor() {
    super(
      'These faces were embedded with a different model, so distances to them mean nothing. Choose the model that the people were enrolled with, or enrol them again.',
    );
  }
}

export interface StoredFace {
  readonly found: FoundFace;
  /** l2-normalised. */
  readonly embedding: Float32Array;
  readonly modelName: string;
  readonly fingerprint: string;
}

/** All faces of this visit, by their ids. */
export class FaceStore {
  readonly #faces = new Map<number, StoredFace>();
  #lastId = 0;

  add(face: Omit<FoundFace, 'id'>, rest: Omit<StoredFace, 'found'>): FoundFace {
    const found = { id: ++this.#lastId, ...face };
    this.#faces.set(found.id, { found, ...rest });
    return found;
  }

  forget(ids: readonly number[]): void {
    for (const id of ids) this.#faces.delete(id);
  }

  /**
   * In the order of the ids, all of one model.
   * @param fingerprint the model's that they must be of; default: the first one's
   * @throws OtherModelError
   */
  all(ids: readonly number[], fingerprint?: string): StoredFace[] {
    const faces = ids.flatMap((id) => this.#faces.get(id) ?? []);
    const expected = fingerprint ?? faces[0]?.fingerprint;
    if (faces.some((face) => face.fingerprint !== expected)) throw new OtherModelError();
    return faces;
  }
}

/** Euclidean, [faces, faces]; yields the share that is done. */
export function* distancesBetween(faces: readonly StoredFace[]): Generator<number, Float64Array> {
  const count = faces.length;
  const result = new Float64Array(count ** 2);
  for (let row = 0; row < count; row++) {
    const { embedding } = faces[row]!;
    for (let column = 0; column < row; column++) {
      const distance = euclideanDistance(embedding, 0, faces[column]!.embedding, 0, embedding.length);
      result[row * count + column] = distance;
      result[column * count + row] = distance;
    }
    yield (row / count) ** 2;
  }
  return result;
}

export interface FaceTools {
  readonly embed: (crops: readonly RgbImage[]) => Promise<Float32Array[]>;
  /** A small picture of a crop. */
  readonly draw: (crop: RgbImage) => Promise<Blob>;
  readonly modelName: string;
  readonly fingerprint: string;
}

/**
 * @param total number of photos
 * @throws EvaluationCancelledError, and what the executor throws; faces that were told of by then stay
 */
export async function findFaces(
  located: AsyncIterable<LocatedPhoto>,
  total: number,
  tools: FaceTools,
  store: FaceStore,
  control: JobControl,
  onEvent: (event: FindFacesEvent) => void,
): Promise<void> {
  const { modelName, fingerprint } = tools;
  const throttle = new Throttle(EVENT_INTERVAL_MS);
  let waiting: { face: Omit<FoundFace, 'id' | 'picture'>; crop: RgbImage }[] = [];
  let faces: FoundFace[] = [];
  let failures: FaceFailure[] = [];
  let done = 0;
  const embed = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    const embeddings = await tools.embed(batch.map(({ crop }) => crop));
    const pictures = await Promise.all(batch.map(({ crop }) => tools.draw(crop)));
    batch.forEach(({ face }, index) =>
      faces.push(
        store.add(
          { ...face, picture: pictures[index]! },
          { embedding: embeddings[index]!, modelName, fingerprint },
        ),
      ),
    );
  };
  const tell = (): void => {
    if (faces.length > 0) onEvent({ kind: 'faces', faces });
    if (failures.length > 0) onEvent({ kind: 'failures', failures });
    faces = [];
    failures = [];
    onEvent({ kind: 'progress', done, total });
  };
  try {
    for await (const { photo, faces: outcome } of located) {
      if (!(await control.proceed())) throw new EvaluationCancelledError();
      if ('message' in outcome)
        failures.push({ photo: photo.name, photoIndex: photo.index, message: outcome.message });
      else
        for (const { number, image } of outcome.crops)
          waiting.push({
            face: {
              photo: photo.name,
              photoIndex: photo.index,
              person: photo.person,
              number,
              faceCount: outcome.faceCount,
            },
            crop: image,
          });
      done++;
      while (waiting.length >= LARGEST_BATCH) await embed();
      if (throttle.ready()) tell();
    }
    if (waiting.length > 0) await embed();
  } finally {
    tell();
  }
}

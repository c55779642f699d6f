/**
 * Enrolled people as JSON: their names, the embedding of each face, and a small picture of it if the person who
 * enrolled them wants that. The file contains no photos.
 *
 * Bounds. A file has at most 500 MB, a million faces, and four JSON values per face (see bounded_json.ts). Time is
 * linear in its size, and memory is at most six times its size.
 */
import * as v from 'valibot';
import { JsonError, parseBoundedJson } from '../common/bounded_json.ts';
import { decodeBase64, encodeBase64, encodeFloats } from './base64.ts';

const FORMAT = 'facenet-webgpu-trainer gallery';
/** Slightly less than the longest string in JavaScript. */
const MAXIMUM_BYTES = 5e8;
const MAXIMUM_FACES = 1e6;
/** Person, label, photo and picture per face, and the rest. */
const MAXIMUM_JSON_VALUES = 4 * MAXIMUM_FACES + 100;
const MAXIMUM_DIMENSION = 65_536;
/** Embeddings have length 1, apart from the rounding of a float32 network. */
const LENGTH_TOLERANCE = 1e-2;

export class GalleryFileError extends Error {
  override name = 'GalleryFileError';
  constructor(problem: string) {
    super(
      `The file with people cannot be used: ${problem}. Choose a file that “Save to a file” has written, or enrol the people again.`,
    );
  }
}

export interface GalleryFace {
  readonly person: string;
  /** The name of the photo, for display. */
  readonly photo: string;
  /** l2-normalised. */
  readonly embedding: Float32Array;
  /** Empty if no picture is kept. */
  readonly picture: Blob;
}

export interface GalleryContent {
  /** The name of the model that made the embeddings. */
  readonly modelName: string;
  readonly fingerprint: string;
  readonly faces: readonly GalleryFace[];
}

const text = v.pipe(v.string(), v.maxLength(1000));
const GallerySchema = v.object({
  format: v.literal(FORMAT),
  model: text,
  fingerprint: text,
  embedding_size: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAXIMUM_DIMENSION)),
  people: v.pipe(v.array(v.pipe(text, v.minLength(1))), v.maxLength(MAXIMUM_FACES)),
  /** The person of each face, as an index into `people`. */
  labels: v.pipe(v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), v.maxLength(MAXIMUM_FACES)),
  photos: v.array(text),
  embeddings: v.string(),
  picture_type: v.optional(v.picklist(['image/webp', 'image/png', 'image/jpeg'])),
  pictures: v.optional(v.array(v.string())),
});

/** @param faces at least one; all embeddings have the same size */
export async function encodeGallery(
  { modelName, fingerprint, faces }: GalleryContent,
  withPictures: boolean,
): Promise<Blob> {
  const dimension = faces[0]!.embedding.length;
  const embeddings = new Float32Array(faces.length * dimension);
  faces.forEach(({ embedding }, row) => embeddings.set(embedding, row * dimension));
  const people = [...new Set(faces.map(({ person }) => person))];
  const places = new Map(people.map((name, place) => [name, place]));
  const pictures: string[] = [];
  if (withPictures)
    for (const { picture } of faces) pictures.push(encodeBase64(new Uint8Array(await picture.arrayBuffer())));
  const json = JSON.stringify({
    format: FORMAT,
    model: modelName,
    fingerprint,
    embedding_size: dimension,
    people,
    labels: faces.map(({ person }) => places.get(person)!),
    photos: faces.map(({ photo }) => photo),
    embeddings: encodeFloats(embeddings),
    ...(withPictures
      ? { picture_type: faces.find(({ picture }) => picture.size > 0)?.picture.type || 'image/png', pictures }
      : {}),
  });
  return new Blob([json], { type: 'application/json' });
}

/** @throws GalleryFileError */
export async function decodeGallery(file: Blob): Promise<GalleryContent> {
  if (file.size > MAXIMUM_BYTES)
    throw new GalleryFileError(`it has ${Math.round(file.size / 1e6)} megabytes`);
  let json: unknown;
  try {
    json = parseBoundedJson(await file.text(), MAXIMUM_JSON_VALUES);
  } catch (error) {
    throw error instanceof JsonError ? new GalleryFileError(`it ${error.message}`) : error;
  }
  const result = v.safeParse(GallerySchema, json, { abortEarly: true });
  if (!result.success)
    throw new GalleryFileError(
      `${v.getDotPath(result.issues[0])?.slice(0, 80) ?? 'its content'} is not as expected`,
    );
  const { model, fingerprint, embedding_size: dimension, people, labels, photos, pictures } = result.output;
  const count = labels.length;
  if (count === 0) throw new GalleryFileError('it contains no people');
  if (photos.length !== count || (pictures && pictures.length !== count))
    throw new GalleryFileError('its lists have different lengths');
  if (labels.some((label) => label >= people.length))
    throw new GalleryFileError('it has a face that belongs to nobody');
  const bytes = decodeBase64(result.output.embeddings);
  if (bytes?.length !== 4 * count * dimension) throw new GalleryFileError('its embeddings are incomplete');
  const embeddings = new Float32Array(bytes.buffer);
  const type = result.output.picture_type ?? 'image/png';
  return {
    modelName: model,
    fingerprint,
    faces: labels.map((label, row): GalleryFace => {
      const embedding = embeddings.slice(row * dimension, (row + 1) * dimension);
      const length = Math.sqrt(embedding.reduce((sum, value) => sum + value * value, 0));
      if (!(Math.abs(length - 1) < LENGTH_TOLERANCE))
        throw new GalleryFileError('some of its embeddings are not of length 1');
      const picture = decodeBase64(pictures?.[row] ?? '');
      if (!picture) throw new GalleryFileError('it has a picture that is not base64');
      return {
        person: people[label]!,
        photo: photos[row]!,
        embedding,
        picture: new Blob([picture], { type }),
      };
    }),
  };
}

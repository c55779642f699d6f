/**
 * What was found in the photos of this visit, kept small: an object and some arrays a photo would be 600 bytes, and
 * there may be 100,000 photos. All numbers lie in one array, a row a photo.
 */
import type { AlignEvent, DetectedFace } from '../../workers/protocol/align/align.ts';

export interface Detection {
  readonly path: string;
  /** Of the faces that were written. */
  readonly outputPaths: readonly string[];
  /** Of the photo, pixels. */
  readonly width: number;
  readonly height: number;
  readonly chosen: readonly number[];
  readonly faces: readonly DetectedFace[];
}

export interface FacesInDoubt {
  readonly paths: readonly string[];
  /** Photos that show more than one face. */
  readonly severalFacesPhotoCount: number;
  /** Faces of other photos that the detector is not sure about. */
  readonly lowScoreCount: number;
}

/** A find below this score is worth a look: hands, pictures on walls and half-hidden faces score so. */
export const SURE_SCORE = 0.9;

/** Score, box, the landmarks' x, their y. */
const NUMBERS_PER_FACE = 15;
/** A row: width, height, how many faces were found and chosen; then the chosen, then the faces. */
const HEAD = 4;
const FIRST_CAPACITY = 1024;

type AlignedEvent = Extract<AlignEvent, { kind: 'aligned' }>;

/** By the path of the face that was written; plain, since nothing is drawn anew when one is added. */
export class Detections {
  /** Where the photo's row begins. */
  readonly #rowOf = new Map<string, number>();
  /** By the beginnings of the rows. */
  readonly #photos = new Map<number, string>();
  /** Of photos that gave several faces. */
  readonly #outputPaths = new Map<number, readonly string[]>();
  #numbers = new Float32Array(FIRST_CAPACITY);
  #size = 0;

  add({ path, outputPaths, width, height, chosen, faces }: AlignedEvent): void {
    const row = this.#append([
      width,
      height,
      faces.length,
      chosen.length,
      ...chosen,
      ...faces.flatMap(({ score, box, landmarksX, landmarksY }) => [
        score,
        ...box,
        ...landmarksX,
        ...landmarksY,
      ]),
    ]);
    this.#photos.set(row, path);
    if (outputPaths.length > 1) this.#outputPaths.set(row, outputPaths);
    for (const outputPath of outputPaths) this.#rowOf.set(outputPath, row);
  }

  #append(numbers: readonly number[]): number {
    const start = this.#size;
    this.#size += numbers.length;
    if (this.#size > this.#numbers.length) {
      const larger = new Float32Array(Math.max(this.#size, Math.ceil(1.5 * this.#numbers.length)));
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers.set(numbers, start);
    return start;
  }

  of(facePath: string): Detection | undefined {
    const row = this.#rowOf.get(facePath);
    if (row === undefined) return undefined;
    const [width, height, faceCount, chosenCount] = this.#numbers.subarray(row, row + HEAD);
    const facesAt = row + HEAD + chosenCount!;
    return {
      path: this.#photos.get(row)!,
      outputPaths: this.#outputPaths.get(row) ?? [facePath],
      width: width!,
      height: height!,
      chosen: [...this.#numbers.subarray(row + HEAD, facesAt)],
      faces: Array.from({ length: faceCount! }, (_, face) =>
        faceOf(this.#numbers.subarray(facesAt + face * NUMBERS_PER_FACE)),
      ),
    };
  }

  /** Another of the found faces was taken, of a photo that gave one. */
  choose(facePath: string, face: number): void {
    const row = this.#rowOf.get(facePath);
    if (row !== undefined) this.#numbers[row + HEAD] = face;
  }

  delete(facePath: string): void {
    this.#rowOf.delete(facePath);
  }

  /** Of these faces, those that a person should look at, because the choice may be wrong, or the find no face at all. */
  inDoubt(facePaths: readonly string[]): FacesInDoubt {
    const paths: string[] = [];
    const several = new Set<number>();
    let lowScoreCount = 0;
    for (const path of facePaths) {
      const row = this.#rowOf.get(path);
      if (row === undefined) continue;
      const showsSeveral = this.#numbers[row + 2]! > 1;
      if (showsSeveral) several.add(row);
      const hasLowScore = this.#leastChosenScore(row) < SURE_SCORE;
      if (hasLowScore && !showsSeveral) lowScoreCount++;
      if (showsSeveral || hasLowScore) paths.push(path);
    }
    return { paths, severalFacesPhotoCount: several.size, lowScoreCount };
  }

  /** Of the faces of a photo that were taken. */
  #leastChosenScore(row: number): number {
    const chosenCount = this.#numbers[row + 3]!;
    const facesAt = row + HEAD + chosenCount;
    let least = Infinity;
    for (let at = row + HEAD; at < facesAt; at++)
      least = Math.min(least, this.#numbers[facesAt + this.#numbers[at]! * NUMBERS_PER_FACE]!);
    return least;
  }

  clear(): void {
    this.#rowOf.clear();
    this.#photos.clear();
    this.#outputPaths.clear();
    this.#numbers = new Float32Array(FIRST_CAPACITY);
    this.#size = 0;
  }
}

function faceOf(numbers: Float32Array): DetectedFace {
  const [score, x1, y1, x2, y2, ...landmarks] = numbers.subarray(0, NUMBERS_PER_FACE);
  return {
    score: score!,
    box: [x1!, y1!, x2!, y2!],
    landmarksX: landmarks.slice(0, 5),
    landmarksY: landmarks.slice(5),
  };
}

/** Which photo a face is of, as far as the names tell: `Name/photo` → `Name/photo.jpg`. */
export class PhotosByName {
  readonly #photos: ReadonlyMap<string, string>;

  constructor(photoPaths: readonly string[]) {
    this.#photos = new Map(photoPaths.map((path) => [withoutExtension(path), path]));
  }

  of(facePath: string): string | undefined {
    const name = withoutExtension(facePath);
    // One of several faces has its number at the end.
    return this.#photos.get(name) ?? this.#photos.get(name.replace(/_\d+$/, ''));
  }
}

function withoutExtension(path: string): string {
  return path.slice(0, path.lastIndexOf('.'));
}

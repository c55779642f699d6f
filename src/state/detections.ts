/** What was found in a photo, kept small: 100,000 photos' faces stay in the page's memory. */
import type { AlignEvent, DetectedFace } from '../../workers/protocol/align.ts';

export interface Detection {
  readonly path: string;
  /** Of the faces that were written. */
  readonly outputPaths: readonly string[];
  /** Of the photo, pixels. */
  readonly width: number;
  readonly height: number;
  readonly chosen: readonly number[];
  /** Fifteen numbers a face: score, box, the landmarks' x, their y. */
  readonly packed: Float32Array;
}

const NUMBERS_PER_FACE = 15;

type AlignedEvent = Extract<AlignEvent, { kind: 'aligned' }>;

/** By the path of the face that was written; plain, since nothing is drawn anew when one is added. */
export class Detections {
  readonly #byFace = new Map<string, Detection>();

  add(event: AlignedEvent): void {
    const detection = packFaces(event);
    for (const path of event.outputPaths) this.#byFace.set(path, detection);
  }

  of(facePath: string): Detection | undefined {
    return this.#byFace.get(facePath);
  }

  /** Another of the found faces was taken. */
  choose(facePath: string, face: number): void {
    const detection = this.#byFace.get(facePath);
    if (detection) this.#byFace.set(facePath, { ...detection, chosen: [face] });
  }

  delete(facePath: string): void {
    this.#byFace.delete(facePath);
  }

  /** Of these faces, those whose photo shows more faces than were taken. */
  ofSeveral(facePaths: readonly string[]): string[] {
    return facePaths.filter((path) => {
      const detection = this.#byFace.get(path);
      return detection !== undefined && faceCount(detection) > detection.chosen.length;
    });
  }

  clear(): void {
    this.#byFace.clear();
  }
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

export function packFaces(event: AlignedEvent): Detection {
  const { path, outputPaths, width, height, chosen, faces } = event;
  const packed = Float32Array.from(
    faces.flatMap(({ score, box, landmarksX, landmarksY }) => [score, ...box, ...landmarksX, ...landmarksY]),
  );
  return { path, outputPaths, width, height, chosen, packed };
}

export function faceCount({ packed }: Detection): number {
  return packed.length / NUMBERS_PER_FACE;
}

export function unpackFaces(detection: Detection): DetectedFace[] {
  const { packed } = detection;
  return Array.from({ length: faceCount(detection) }, (_, index) => {
    const [score, x1, y1, x2, y2, ...landmarks] = packed.subarray(
      index * NUMBERS_PER_FACE,
      (index + 1) * NUMBERS_PER_FACE,
    );
    return {
      score: score!,
      box: [x1!, y1!, x2!, y2!],
      landmarksX: landmarks.slice(0, 5),
      landmarksY: landmarks.slice(5),
    };
  });
}

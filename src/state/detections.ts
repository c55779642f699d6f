/** What was found in a photo, kept small: 100,000 photos' faces stay in the page's memory. */
import type { AlignEvent, DetectedFace } from '../../workers/protocol.ts';

export interface Detection {
  readonly path: string;
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

  clear(): void {
    this.#byFace.clear();
  }
}

export function packFaces(event: AlignedEvent): Detection {
  const { path, width, height, chosen, faces } = event;
  const packed = Float32Array.from(
    faces.flatMap(({ score, box, landmarksX, landmarksY }) => [score, ...box, ...landmarksX, ...landmarksY]),
  );
  return { path, width, height, chosen, packed };
}

export function unpackFaces({ packed }: Detection): DetectedFace[] {
  return Array.from({ length: packed.length / NUMBERS_PER_FACE }, (_, index) => {
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

/** The drawn faces: the detector finds them, they are reproducible, and they differ from each other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { chooseFace, cropBox, cropFace } from '../../../workers/detector/align.ts';
import { FaceDetector } from '../../../workers/detector/detector.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import { drawSampleFace, SAMPLE_SIZE } from '../../../workers/jobs/sample_faces/draw_face.ts';
import { samplePerson } from '../../../workers/jobs/sample_faces/person.ts';
import { samplePhoto } from '../../../workers/jobs/sample_faces/photo.ts';
import { sampleFiles, writeSampleFaces } from '../../../workers/jobs/sample_faces/sample_dataset.ts';

/** Larger with `VITE_SAMPLE_PEOPLE=12 VITE_SAMPLE_PHOTOS=8`. */
const environment = import.meta.env as Record<string, string | undefined>;
const PEOPLE = Number(environment.VITE_SAMPLE_PEOPLE ?? 8);
const PHOTOS = Number(environment.VITE_SAMPLE_PHOTOS ?? 3);

function draw(seed: number, person: number, photo: number): RgbImage {
  const canvas = drawSampleFace(samplePerson(seed, person), samplePhoto(seed, person, photo));
  const { data } = canvas.getContext('2d')!.getImageData(0, 0, SAMPLE_SIZE, SAMPLE_SIZE);
  return {
    width: SAMPLE_SIZE,
    height: SAMPLE_SIZE,
    data: Uint8Array.from({ length: SAMPLE_SIZE * SAMPLE_SIZE * 3 }, (_, index) => {
      const pixel = Math.floor(index / 3);
      return data[pixel * 4 + (index % 3)]!;
    }),
  };
}

describe('sample faces', () => {
  let detector: FaceDetector;
  beforeAll(async () => {
    detector = await FaceDetector.create('wasm');
  });
  afterAll(() => detector.dispose());

  it.each([1, 20180402])('of seed %i are found by the detector and can be told apart', async (seed) => {
    const missed: string[] = [];
    let several = 0;
    const crops: { person: number; values: Float32Array }[] = [];
    for (let person = 0; person < PEOPLE; person++)
      for (let photo = 0; photo < PHOTOS; photo++) {
        const image = draw(seed, person, photo);
        const { faces } = await detector.detect(image, DEFAULT_ALIGN_OPTIONS);
        if (faces.length > 1) several++;
        const chosen = chooseFace(faces, SAMPLE_SIZE, SAMPLE_SIZE);
        if (chosen < 0) missed.push(`${person}/${photo}`);
        else {
          const box = cropBox(faces[chosen]!.box, 0, SAMPLE_SIZE, SAMPLE_SIZE);
          crops.push({ person, values: normalized(cropFace(image, box, 24)!) });
        }
      }
    const total = PEOPLE * PHOTOS;
    const found = (total - missed.length) / total;
    const nearest = nearestIsSamePerson(crops);
    console.log(
      `seed ${seed}: ${total - missed.length} of ${total} found, missed ${missed.join(' ')}; ${several} with several; ` +
        `the nearest other crop is of the same person for ${(100 * nearest).toFixed(0)} %`,
    );
    expect(found).toBeGreaterThanOrEqual(0.95);
    // Plain pixels separate people much better than chance, but far from perfectly.
    expect(nearest).toBeGreaterThan(3 / PEOPLE);
    expect(nearest).toBeLessThan(1);
  });

  it('are the same for the same seed, and others for another', () => {
    const [first, again, other] = [draw(5, 2, 1), draw(5, 2, 1), draw(6, 2, 1)];
    expect(again.data).toEqual(first.data);
    expect(other.data).not.toEqual(first.data);
  });

  it('are written once, as a dataset of readable photos', async () => {
    const directory = new MemoryDirectory('sample');
    const options = { seed: 3, people: 2, photosPerPerson: 2 };
    const progress: number[] = [];
    await writeSampleFaces(directory, options, (done, total) => progress.push(done / total));
    expect([...directory.files.keys()]).toEqual(sampleFiles(options).map(({ path }) => path));
    expect(progress).toEqual([0.25, 0.5, 0.75, 1]);
    const [path, file] = [...directory.files][0]!;
    expect(path).toMatch(/^(\w+)\/\1_0001\.png$/);
    expect(await decodeImage(file, path)).toMatchObject({ width: 250, height: 250 });
    await directory.remove(path);
    const kept = [...directory.files.values()];
    await writeSampleFaces(directory, options);
    expect(directory.files.has(path)).toBe(true);
    expect([...directory.files.values()].slice(0, kept.length)).toEqual(kept);
  });
});

/** Mean 0, length 1: light and exposure count less. */
function normalized({ data }: RgbImage): Float32Array {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const values = Float32Array.from(data, (value) => value - mean);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

function nearestIsSamePerson(crops: readonly { person: number; values: Float32Array }[]): number {
  const same = crops.filter((crop) => {
    let best = -Infinity;
    let bestPerson = -1;
    for (const other of crops) {
      if (other === crop) continue;
      const likeness = other.values.reduce((sum, value, index) => sum + value * crop.values[index]!, 0);
      if (likeness > best) {
        best = likeness;
        bestPerson = other.person;
      }
    }
    return bestPerson === crop.person;
  });
  return same.length / crops.length;
}

/** The cascade in a real browser on the only photo in the project, and the arithmetic of its scores. */
import { afterEach, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import { chooseFace, cropBox } from '../../../workers/detector/align.ts';
import { cutOut } from '../../../workers/detector/crops.ts';
import { FaceDetector } from '../../../workers/detector/detector.ts';
import { faceProbabilities } from '../../../workers/detector/network_outputs.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import astronautUrl from '../../fixtures/astronaut.png?url';

const image = await decodeImage(await (await fetch(astronautUrl)).blob(), 'astronaut.png');

describe('the astronaut', () => {
  let detector: FaceDetector | undefined;
  afterEach(() => detector?.dispose());

  it('has one face, where it is', async () => {
    detector = await FaceDetector.create('wasm');
    const { faces } = await detector.detect(image, DEFAULT_ALIGN_OPTIONS);
    expect(faces).toHaveLength(1);
    expect(chooseFace(faces, image.width, image.height)).toBe(0);
    const { box, score, landmarksX, landmarksY } = faces[0]!;
    const near = (values: readonly number[], expected: readonly number[]): void =>
      values.forEach((value, index) => expect(Math.abs(value - expected[index]!)).toBeLessThan(0.05));
    // Recorded after the cascade agreed with the original on other photos (mtcnn_reference.test.ts).
    near(box, [179.803, 60.119, 268.095, 173.89]);
    near(landmarksX, [203.861, 246.39, 224.267, 201.823, 244.905]);
    near(landmarksY, [101.303, 103.178, 128.897, 139.766, 141.991]);
    expect(score).toBeGreaterThan(0.9999);
    expect(cropBox(box, 44, image.width, image.height)).toEqual([157, 38, 290, 195]);
  });

  it('is found the same on WebGPU', async () => {
    // A part of the photo and few levels, because a software adapter is slow.
    const [width, height] = [130, 160];
    const part = { width, height, data: cutOut(image, 160, 40, width, height) };
    const options = { ...DEFAULT_ALIGN_OPTIONS, minsize: 70 };
    detector = await FaceDetector.create('wasm');
    const expected = await detector.detect(part, options);
    detector.dispose();
    detector = await FaceDetector.create('webgpu');
    const actual = await detector.detect(part, options);
    expect(actual.rNetCount).toBe(expected.rNetCount);
    expect(actual.oNetCount).toBe(expected.oNetCount);
    expect(actual.faces).toHaveLength(1);
    const [a, b] = [expected.faces[0]!, actual.faces[0]!];
    expect(b.score).toBeCloseTo(a.score, 4);
    for (const key of ['box', 'landmarksX', 'landmarksY'] as const)
      a[key].forEach((value, index) => expect(Math.abs(value - b[key][index]!)).toBeLessThan(0.05));
  });
});

it('rounds probabilities near 1 as single precision sums do', () => {
  const step = 2 ** -24;
  const probability = (difference: number): number => faceProbabilities(Float32Array.of(-difference, 0))[0]!;
  expect(probability(0)).toBe(0.5);
  expect(faceProbabilities(Float32Array.of(0, -200, 200, 0))).toEqual(Float32Array.of(0, 0));
  // 1 + 84.4 and 1 + 84.6 steps of 2⁻²⁴ are both 1 + 84: above 1 there is only every second step.
  expect(probability(-Math.log(84.4 * step))).toBe(probability(-Math.log(84.6 * step)));
  expect(probability(40)).toBe(1);
});

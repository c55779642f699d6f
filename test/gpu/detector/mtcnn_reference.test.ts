/**
 * The cascade against the original detector's results, if the private reference data exist. By default it uses a
 * subset; `VITE_REFERENCE_PHOTOS=5809 VITE_REFERENCE_BACKEND=wasm npx vitest run --project gpu
 * test/gpu/detector/mtcnn_reference.test.ts` takes as many photos as asked for, spread over the data
 * (`VITE_REFERENCE_FOLDER=lfw-test/`: over a part of it), and prints the agreement.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { recordPhotos } from '../../../workers/jobs/align/detect_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { cropFace, type CropBox } from '../../../workers/detector/align.ts';
import type { Box, Candidate } from '../../../workers/detector/boxes.ts';
import { decide, propose, refine } from '../../../workers/detector/cascade.ts';
import type { CascadeNetworks } from '../../../workers/detector/cascade_networks.ts';
import { pyramidScales } from '../../../workers/detector/crops.ts';
import { FaceDetector } from '../../../workers/detector/detector.ts';
import { GpuCascade } from '../../../workers/detector/gpu/gpu_cascade.ts';
import { MtcnnNetworks } from '../../../workers/detector/networks.ts';
import { Photo } from '../../../workers/detector/photo.ts';
import { ProcessorCascade } from '../../../workers/detector/processor_cascade.ts';
import { SimdNetworks } from '../../../workers/detector/simd/networks.ts';
import {
  fetchMtcnnWeights,
  parseMtcnnWeights,
  type MtcnnWeights,
} from '../../../workers/detector/weights.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type DetectedFace,
  type DetectionRecord,
} from '../../../workers/protocol/align/align.ts';
import type { BackendName } from '../../../workers/protocol/device.ts';
import { selectBackend } from '../../../workers/compute/tfjs/backends.ts';
import { compareRecords, readExpected, readReference } from './mtcnn_reference_data.ts';

const environment = import.meta.env as Record<string, string | undefined>;
const expected = (await readExpected()).filter(({ image }) =>
  image.startsWith(environment.VITE_REFERENCE_FOLDER ?? ''),
);
const backend = (environment.VITE_REFERENCE_BACKEND ?? 'wasm') as BackendName;

const kinds: Readonly<Record<string, (weights: MtcnnWeights) => Promise<CascadeNetworks>>> = {
  'the processor’s kernels': async (weights) => new ProcessorCascade(new SimdNetworks(weights)),
  'TensorFlow.js': async (weights) => {
    await selectBackend('wasm');
    return new ProcessorCascade(new MtcnnNetworks(weights));
  },
  'the GPU’s kernels': (weights) => GpuCascade.create(weights),
};

describe.skipIf(expected.length === 0)('the cascade against the original', () => {
  it.each(Object.keys(kinds))('has every intermediate tensor within 1e-3 in %s', async (kind) => {
    const stages = await readStages();
    const networks = await kinds[kind]!(parseMtcnnWeights(await fetchMtcnnWeights()));
    // The pixels of the original, because this does not test differences between decoders.
    const image = {
      width: 250,
      height: 250,
      data: Uint8Array.from(stages.get('image_rgb')!),
    };
    const differences: Record<string, number> = {};
    const compare = (name: string, actual: ArrayLike<number>, of = stages.get(name)!): void => {
      expect(actual.length, name).toBe(of.length);
      differences[name] = of.reduce(
        (worst, value, index) => Math.max(worst, Math.abs(value - actual[index]!)),
        0,
      );
    };
    const ofFace = (name: string): Float32Array => stages.get(name)!.filter((_, at) => at % 2 === 1);
    const photo = Photo.of(image, DEFAULT_ALIGN_OPTIONS);
    await networks.look([photo], async (looking) => {
      // Every cell has a probability of at least 0.
      const [everything] = (await looking.propose(0)) as [Candidate[][]];
      const [passed] = (await looking.propose(0.6)) as [Candidate[][]];
      for (const index of pyramidScales(250, 250, 20, 0.709).keys()) {
        compare(`pnet${index}/input_NWHC`, photo.level(index).values);
        compare(`pnet${index}/conv4-2_NWHC`, everything[index]!.flatMap(regressionValues));
        compare(
          `pnet${index}/prob1_NWHC`,
          everything[index]!.map(({ score }) => score),
          ofFace(`pnet${index}/prob1_NWHC`),
        );
        compare(
          `generateBoundingBox${index}`,
          passed[index]!.flatMap((one) => [...boxValues([one]), ...regressionValues(one)]),
        );
      }
      const proposed = await propose(looking, 0.6);
      compare('after_rerec_stage1', boxValues(proposed[0]!), truncated(stages.get('after_rerec_stage1')!));
      compare('rnet/input_NWHC', await photo.crops(proposed[0]!, 24));
      const second = await looking.refine(proposed);
      compare('rnet/conv5-2', second.regressions);
      compare('rnet/prob1', second.scores, ofFace('rnet/prob1'));
      const refined = await refine(looking, proposed, 0.7);
      compare('after_rerec_stage2', boxValues(refined[0]!), truncated(stages.get('after_rerec_stage2')!));
      compare('onet/input_NWHC', await photo.crops(refined[0]!, 48));
      const third = await looking.output(refined);
      compare('onet/conv6-2', third.regressions);
      compare('onet/conv6-3', third.landmarks);
      compare('onet/prob1', third.scores, ofFace('onet/prob1'));
      const [faces] = (await decide(looking, refined, 0.7)) as [DetectedFace[]];
      compare(
        'final_boxes',
        faces.flatMap(({ box, score }) => [...box, score]),
      );
      compare(
        'final_points',
        faces.flatMap(({ landmarksX, landmarksY }) => [...landmarksX, ...landmarksY]),
      );
    });
    networks.dispose();
    console.log(`stages in ${kind}`, JSON.stringify(differences));
    for (const [name, difference] of Object.entries(differences))
      expect(difference, name).toBeLessThanOrEqual(1e-3);
  });

  it('finds the same faces', async () => {
    const wanted = Number(environment.VITE_REFERENCE_PHOTOS ?? 40);
    const perCall = 200;
    const chosen = spread(expected, wanted);
    const pairs: { expected: DetectionRecord; actual: DetectionRecord }[] = [];
    const detector = await FaceDetector.create(backend);
    const startedAt = performance.now();
    let detectMs = 0;
    for (let from = 0; from < chosen.length; from += perCall) {
      const part = chosen.slice(from, from + perCall);
      const directory = new MemoryDirectory('data');
      for (const { image } of part) await directory.write(image, (await readReference(image))!);
      const byPath = new Map(part.map((record) => [record.image, record]));
      const started = performance.now();
      const photos = part.map(({ image }) => ({ path: image, directory }));
      await recordPhotos(detector, photos, DEFAULT_ALIGN_OPTIONS, new JobControl(), (record) => {
        pairs.push({ expected: byPath.get(record.image)!, actual: record });
      });
      detectMs += performance.now() - started;
    }
    detector.dispose();
    const agreement = compareRecords(pairs);
    console.log(
      `${backend}: ${((1000 * chosen.length) / detectMs).toFixed(2)} photos/s, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`,
      JSON.stringify(agreement),
    );
    expect(agreement.photos).toBe(chosen.length);
    expect(agreement.facesEqual).toBeGreaterThanOrEqual(0.995);
    expect(agreement.boxMedianPx).toBeLessThanOrEqual(0.05);
    expect(agreement.box99Px).toBeLessThanOrEqual(0.5);
    expect(agreement.landmarks99Px).toBeLessThanOrEqual(1);
    expect(agreement.score99).toBeLessThanOrEqual(1e-3);
    expect(agreement.cropsWithin1Px).toBeGreaterThanOrEqual(0.995);
  }, 3_600_000);

  it('crops to the same grey levels', async () => {
    const photos = expected.filter(({ image }) => image.startsWith('lfw-original/'));
    const wanted = Number(environment.VITE_REFERENCE_PHOTOS ?? 20);
    let worst = 0;
    let worstPhoto = '';
    for (const { image: path, crop_margin44 } of spread(photos, wanted)) {
      const image = await decodeImage(new Blob([(await readReference(path))!]), path);
      const crop = cropFace(image, crop_margin44 as unknown as CropBox, 182)!;
      const original = `crops/${path.slice(path.indexOf('/') + 1).replace(/\.\w+$/, '.png')}`;
      const reference = await decodeImage(new Blob([(await readReference(original))!]), original);
      const difference =
        crop.data.reduce((sum, value, index) => sum + Math.abs(value - reference.data[index]!), 0) /
        crop.data.length;
      if (difference > worst) {
        worst = difference;
        worstPhoto = path;
      }
    }
    console.log(`crops: worst mean difference ${worst.toFixed(4)} grey levels (${worstPhoto})`);
    expect(worst).toBeLessThanOrEqual(1);
  });
});

/** As many photos of `photos` and `lfw-original` as requested, then the others at equal intervals. */
function spread<T extends { image: string }>(list: readonly T[], count: number): T[] {
  if (count >= list.length) return [...list];
  const small = list.filter(({ image }) => image.startsWith('photos/'));
  const others = list.filter(({ image }) => !image.startsWith('photos/'));
  const rest = count - small.length;
  return [
    ...small,
    ...Array.from({ length: rest }, (_, index) => others[Math.floor((index * others.length) / rest)]!),
  ].slice(0, count);
}

/** The recorded boxes are from before their coordinates are truncated. */
function truncated(boxes: Float32Array): Float32Array {
  return boxes.map((value, index) => (index % 5 < 4 ? Math.trunc(value) : value));
}

function regressionValues({ regression: { dx1, dy1, dx2, dy2 } }: Candidate): number[] {
  return [dx1, dy1, dx2, dy2];
}

function boxValues(boxes: readonly Box[]): number[] {
  return boxes.flatMap(({ x1, y1, x2, y2, score }) => [x1, y1, x2, y2, score]);
}

async function readStages(): Promise<Map<string, Float32Array>> {
  const manifest = JSON.parse(
    new TextDecoder().decode(await readReference('mtcnn-stages/manifest.json')),
  ) as { tensors: { name: string; shape: number[]; offset: number }[] };
  const { buffer } = (await readReference('mtcnn-stages/data.bin'))!;
  return new Map(
    manifest.tensors.map(({ name, shape, offset }) => [
      name,
      new Float32Array(buffer, offset, tf.util.sizeFromShape(shape)),
    ]),
  );
}

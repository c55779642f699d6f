import { describe, expect, it } from 'vitest';
import {
  NoImagesError,
  PermissionLostError,
  UnreadableImageError,
} from '../../../workers/protocol/data/file_errors.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import {
  MalformedPairsFileError,
  NoPairsFoundError,
  TooFewPairsError,
} from '../../../workers/evaluation/errors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { cropOrPad, type ReadImage } from '../../../workers/jobs/embed.ts';
import { evaluateModel, evaluatePairs } from '../../../workers/jobs/evaluate/evaluate_job.ts';
import { EvaluationCancelledError } from '../../../workers/jobs/errors.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import type { EvaluationOptions, EvaluationProgress } from '../../../workers/protocol/evaluate/evaluate.ts';
import { InvalidNumberError } from '../../../workers/protocol/number_limits.ts';
import type { PairsSource } from '../../../workers/protocol/evaluate/pairs.ts';
import { centredTransforms, prepareImages } from '../../../workers/compute/step/augmentation.ts';
import { stackImages } from '../../../workers/training/batch_source.ts';
import type { EmbedderFactory, ImageBatch } from '../../../workers/compute/executor.ts';

const SIZE = 4;

const OPTIONS: EvaluationOptions = {
  lfw_batch_size: 5,
  image_size: SIZE,
  lfw_distance_metric: 0,
  lfw_use_flipped_images: false,
  lfw_subtract_mean: false,
  use_fixed_image_standardization: true,
};

function folderOf(paths: readonly string[]): PairsSource['images'] {
  return [
    { kind: 'files', name: 'faces', files: paths.map((path) => ({ path, file: new File([path], path) })) },
  ];
}

function photosOf(people: number, photos: number): string[] {
  return Array.from({ length: people * photos }, (_, i) => {
    const name = `P${Math.floor(i / photos)}`;
    return `${name}/${name}_${String((i % photos) + 1).padStart(4, '0')}.jpg`;
  });
}

/** Every pixel of a photo says whose it is in red, and which photo in green; the left half is marked in blue. */
function drawPhoto(path: string, width = SIZE, height = SIZE): RgbImage {
  const [, person, photo] = /^P(\d+)\/.*_(\d+)\./.exec(path)!;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    data.set([Number(person), Number(photo), i % width < width / 2 ? 200 : 100], i * 3);
  return { width, height, data };
}

/**
 * Embeds people on a circle, and records its requests.
 * It can ignore photos whose bright half is on one side.
 */
class FakeEmbedder {
  readonly #blind: 'left' | 'right' | undefined;

  constructor(blind?: 'left' | 'right') {
    this.#blind = blind;
  }

  readonly batches: ImageBatch[] = [];
  readonly embed = async (batch: ImageBatch): Promise<Float32Array> => {
    this.batches.push(batch);
    const embeddings = new Float32Array(batch.count * 2);
    const pixels = prepareImages(batch, SIZE, true);
    for (let row = 0; row < batch.count; row++) {
      const [red, green, blue] = pixels.subarray(row * SIZE * SIZE * 3).map((value) => value * 128 + 127.5);
      const brightSide = blue! > 150 ? 'left' : 'right';
      const angle = brightSide === this.#blind ? 0 : red! * 0.7 + green! * 0.01;
      embeddings.set([Math.cos(angle), Math.sin(angle)], row * 2);
    }
    return embeddings;
  };
}

const readDrawn: ReadImage = async ({ path }) => drawPhoto(path);

const GENERATED: PairsSource = {
  images: folderOf(photosOf(4, 4)),
  generate: { seed: 1, pairsPerFold: 3 },
  lfw_nrof_folds: 4,
};

describe('evaluatePairs', () => {
  it('measures a threshold for embeddings as they are, whatever the evaluation itself does to them', async () => {
    // All embeddings are close to one point, as with a weak model. Without the mean, they are far apart.
    const embed = async (batch: ImageBatch): Promise<Float32Array> => {
      const pixels = prepareImages(batch, SIZE, true);
      const embeddings = new Float32Array(batch.count * 2);
      for (let row = 0; row < batch.count; row++) {
        const [red, green] = pixels.subarray(row * SIZE * SIZE * 3).map((value) => value * 128 + 127.5);
        const isMirrored = batch.transforms.flip[row] === 1;
        const angle = red! * 0.01 + green! * 0.0001 + (isMirrored ? 1 : 0);
        embeddings.set([Math.cos(angle), Math.sin(angle)], row * 2);
      }
      return embeddings;
    };
    const plain = await evaluatePairs(embed, GENERATED, OPTIONS, new JobControl(), undefined, readDrawn);
    const options = {
      ...OPTIONS,
      lfw_distance_metric: 1,
      lfw_use_flipped_images: true,
      lfw_subtract_mean: true,
    } as const;
    const other = await evaluatePairs(embed, GENERATED, options, new JobControl(), undefined, readDrawn);
    // Photos of one person are at most 0.0003 apart, those of two at least 0.0097.
    expect(plain.plain!.threshold).toBeGreaterThan(0.0003);
    expect(plain.plain!.threshold).toBeLessThan(0.0097);
    expect(plain.plain!.accuracy).toBe(1);
    expect(other.plain!.threshold).toBeCloseTo(plain.plain!.threshold, 6);
    expect(other.plain!.accuracy).toBe(1);
  });

  it('embeds each photo once, in batches of at most lfw_batch_size, and measures', async () => {
    const embedder = new FakeEmbedder();
    const progress: EvaluationProgress[] = [];
    const result = await evaluatePairs(
      embedder.embed,
      GENERATED,
      OPTIONS,
      new JobControl(),
      (event) => progress.push(event),
      readDrawn,
    );
    expect(result).toMatchObject({ accuracy: 1, auc: 1, eer: 0, val: 1, pairCount: 24, skippedPairs: 0 });
    const photos = embedder.batches.flatMap(({ count, pixels }) =>
      Array.from({ length: count }, (_, i) =>
        pixels
          .subarray(i * SIZE * SIZE * 3)
          .slice(0, 2)
          .join(),
      ),
    );
    expect(new Set(photos).size).toBe(photos.length);
    expect(photos).toHaveLength(result.imageCount);
    expect(Math.max(...embedder.batches.map(({ count }) => count))).toBe(5);
    expect(progress.at(-1)).toMatchObject({ done: result.imageCount, total: result.imageCount });
  });

  it('joins the embeddings of both orientations with lfw_use_flipped_images', async () => {
    const measure = async (flipped: boolean, blind: 'left' | 'right') => {
      const embedder = new FakeEmbedder(blind);
      const options = { ...OPTIONS, lfw_use_flipped_images: flipped };
      const { accuracy } = await evaluatePairs(
        embedder.embed,
        GENERATED,
        options,
        new JobControl(),
        undefined,
        readDrawn,
      );
      return { accuracy, batches: embedder.batches };
    };
    // A network that recognises people in only one orientation. Embeddings of the other orientation are useless.
    expect((await measure(false, 'left')).accuracy).toBe(0.5);
    expect((await measure(false, 'right')).accuracy).toBe(1);
    expect((await measure(true, 'left')).accuracy).toBe(1);
    const { accuracy, batches } = await measure(true, 'right');
    expect(accuracy).toBe(1);
    expect(batches.map(({ transforms }) => [...new Set(transforms.flip)])).toEqual(
      batches.map((_, i) => [i % 2]),
    );
  });

  it('gives the same result twice, and another for another seed', async () => {
    const measure = async (seed: number) => {
      const pairs = { ...GENERATED, generate: { seed, pairsPerFold: 3 } };
      const embedder = new FakeEmbedder();
      await evaluatePairs(embedder.embed, pairs, OPTIONS, new JobControl(), undefined, readDrawn);
      return embedder.batches.map(({ pixels }) => pixels.join()).join();
    };
    expect(await measure(1)).toBe(await measure(1));
    expect(await measure(1)).not.toBe(await measure(2));
  });

  it('generates as many pairs as the photos allow, without being told how many', async () => {
    const { pairCount } = await evaluatePairs(
      new FakeEmbedder().embed,
      { images: GENERATED.images, lfw_nrof_folds: 4 },
      OPTIONS,
      new JobControl(),
      undefined,
      readDrawn,
    );
    // 4 people with 6 pairs each: 24 of one person, as many of two.
    expect(pairCount).toBe(48);
  });

  it('skips pairs whose photos are missing or unreadable, and counts them with their causes', async () => {
    const pairsText = '2 2\nP0 1 2\nP0 1 9\nP0 1 P1 1\nP1 1 2\nP2 1 2\nP2 1 P3 1\nP2 3 P3 3\n';
    const result = await evaluatePairs(
      new FakeEmbedder().embed,
      { images: GENERATED.images, pairsText, lfw_nrof_folds: 2 },
      OPTIONS,
      new JobControl(),
      undefined,
      async (file) => {
        if (file.path === 'P1/P1_0002.jpg') throw new UnreadableImageError(file.path, 'the file is empty');
        return drawPhoto(file.path);
      },
    );
    expect(result).toMatchObject({ pairCount: 5, skippedPairs: 2 });
    expect(result.skippedCauses).toEqual([
      { cause: 'P0 9: image not found', pairs: 1 },
      { cause: 'P1/P1_0002.jpg cannot be read as an image: the file is empty.', pairs: 1 },
    ]);
  });

  it('takes photos of any size, cut to image_size before they are kept', async () => {
    const embedder = new FakeEmbedder();
    let side = 1;
    const result = await evaluatePairs(
      embedder.embed,
      GENERATED,
      OPTIONS,
      new JobControl(),
      undefined,
      // All are large enough for the corner that the embedder uses.
      async ({ path }) => drawPhoto(path, SIZE + side, SIZE + 3 * side++),
    );
    expect(result.accuracy).toBe(1);
    for (const { count, width, height, pixels } of embedder.batches) {
      expect([width, height]).toEqual([SIZE, SIZE]);
      expect(pixels).toHaveLength(count * SIZE * SIZE * 3);
    }
  });

  it('keeps no more than two batches ahead', async () => {
    let read = 0;
    const embedder = new FakeEmbedder();
    const pairs = { images: folderOf(photosOf(20, 10)), lfw_nrof_folds: 10 };
    await evaluatePairs(
      async (batch) => {
        expect(read).toBeLessThanOrEqual((embedder.batches.length + 3) * OPTIONS.lfw_batch_size);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return embedder.embed(batch);
      },
      pairs,
      OPTIONS,
      new JobControl(),
      undefined,
      async ({ path }) => {
        read++;
        return drawPhoto(path);
      },
    );
    expect(read).toBe(200);
  });

  it('ends when it is cancelled, and waits while it is paused', async () => {
    const control = new JobControl();
    const embedder = new FakeEmbedder();
    const cancelled = evaluatePairs(
      async (batch) => {
        control.cancel();
        return embedder.embed(batch);
      },
      GENERATED,
      OPTIONS,
      control,
      undefined,
      readDrawn,
    );
    await expect(cancelled).rejects.toThrow(EvaluationCancelledError);
    expect(embedder.batches).toHaveLength(1);
    await expect(evaluatePairs(embedder.embed, GENERATED, OPTIONS, control)).rejects.toThrow(
      EvaluationCancelledError,
    );

    const paused = new JobControl();
    paused.pause();
    const later = new FakeEmbedder();
    const evaluation = evaluatePairs(later.embed, GENERATED, OPTIONS, paused, undefined, readDrawn);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(later.batches).toHaveLength(0);
    paused.resume();
    expect((await evaluation).accuracy).toBe(1);
  });

  it('says what is wrong with the pairs or the photos', async () => {
    const run = (pairs: Partial<PairsSource>, read: ReadImage = readDrawn) =>
      evaluatePairs(
        new FakeEmbedder().embed,
        { ...GENERATED, ...pairs },
        OPTIONS,
        new JobControl(),
        undefined,
        read,
      );
    await expect(run({ pairsText: '10 300\nA 1\n' })).rejects.toThrow(MalformedPairsFileError);
    await expect(run({ pairsText: '1 1\nA 1 2\nA 1 B 2\n' })).rejects.toThrow(NoPairsFoundError);
    await expect(run({ pairsText: '1 1\nA 1 2\n' })).rejects.toThrow(/"faces".*A 1: image not found/);
    await expect(run({ pairsText: '1 1\nP0 1 2\nP0 1 P1 2\n' })).rejects.toThrow(/too few pairs for 4 folds/);
    await expect(run({ images: folderOf(['P0/notes.txt']) })).rejects.toThrow(NoImagesError);
    await expect(run({ images: folderOf(photosOf(1, 9)) })).rejects.toThrow(TooFewPairsError);
    await expect(run({ lfw_nrof_folds: 1 })).rejects.toThrow(
      'lfw_nrof_folds is 1; it must be a whole number from 2 to 1000.',
    );
    await expect(
      run({}, ({ path }) => Promise.reject(new UnreadableImageError(path, 'its content is damaged'))),
    ).rejects.toThrow(/content is damaged/);
    await expect(run({}, () => Promise.reject(new PermissionLostError('faces')))).rejects.toThrow(
      PermissionLostError,
    );
  });
});

describe('evaluateModel', () => {
  it('runs the model’s parameters on an executor, which it disposes of whatever happens', async () => {
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 2, classes: 0 });
    const model = {
      name: 'run',
      graph,
      parameters: new Map([['x', { shape: [1], data: new Float32Array(1) }]]),
      imageSize: 96,
      useFixedImageStandardization: true,
    };
    const calls: unknown[] = [];
    const createEmbedder: EmbedderFactory = async (settings, parameters) => {
      calls.push(settings, parameters);
      return {
        embed: async () => {
          throw new Error('the device was lost');
        },
        dispose: () => void calls.push('disposed'),
      };
    };
    const options = { ...OPTIONS, image_size: 80 };
    await expect(
      evaluateModel(model, GENERATED, options, createEmbedder, new JobControl()),
    ).rejects.toThrow();
    expect(calls[0]).toMatchObject({
      graph,
      batchSize: 5,
      imageSize: 80,
      useFixedImageStandardization: true,
    });
    expect(calls.slice(1)).toEqual([model.parameters, 'disposed']);
    calls.length = 0;
    const noPhotos = { ...GENERATED, images: folderOf(['notes.txt']) };
    await expect(evaluateModel(model, noPhotos, options, createEmbedder, new JobControl())).rejects.toThrow(
      NoImagesError,
    );
    // An invalid number stops it before anything is read.
    for (const bad of [
      { lfw_batch_size: 0 },
      { image_size: 2000 },
      { far_target: 5 },
      { lfw_batch_size: NaN },
    ])
      await expect(
        evaluateModel(model, GENERATED, { ...options, ...bad }, createEmbedder, new JobControl()),
      ).rejects.toThrow(InvalidNumberError);
    for (const bad of [{ lfw_nrof_folds: NaN }, { generate: { seed: 1, pairsPerFold: 0.5 } }])
      await expect(
        evaluateModel(model, { ...GENERATED, ...bad }, options, createEmbedder, new JobControl()),
      ).rejects.toThrow(InvalidNumberError);
    expect(calls).toEqual([]);
  });
});

describe('cropOrPad', () => {
  it('is what an executor does with centredTransforms', () => {
    for (let width = 1; width <= 9; width++)
      for (let height = 1; height <= 9; height++) {
        const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 251);
        const image = { width, height, data };
        const batchOf = (images: RgbImage[]): ImageBatch => {
          const stacked = stackImages(images);
          return { count: 1, ...stacked, transforms: centredTransforms(1, stacked, SIZE) };
        };
        expect(prepareImages(batchOf([cropOrPad(image, SIZE)]), SIZE, true)).toEqual(
          prepareImages(batchOf([image]), SIZE, true),
        );
      }
  });
});

/** embed, compare and classify with a fake executor. NumPy files are read after their format. */
import { describe, expect, it } from 'vitest';
import { confusionTable } from '../../../cli/commands/classify.ts';
import { formatDistances } from '../../../cli/commands/compare.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { npyFloats, npyIntegers, npyTexts } from '../../../workers/formats/npy.ts';
import { classify } from '../../../workers/jobs/use/classify_job.ts';
import { TooFewClassesError, EvaluationCancelledError } from '../../../workers/jobs/errors.ts';
import { metadataOf } from '../../../workers/models/model_file.ts';
import { comparePhotos, NoFaceFoundError, type LocateFaces } from '../../../workers/jobs/use/compare_job.ts';
import { chooseFaces } from '../../../workers/jobs/use/identify_photos.ts';
import { cropOrPad } from '../../../workers/jobs/embed.ts';
import { embedFolder } from '../../../workers/jobs/models/embed_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EmbedderFactory, ImageBatch } from '../../../workers/compute/executor.ts';
import { smallGraph } from '../formats/formats_reference.ts';

const SIZE = 8;
const model: LoadedModel = {
  name: 'standin',
  graph: smallGraph(3),
  parameters: new Map(),
  imageSize: SIZE,
  useFixedImageStandardization: true,
};

/** The embedding is the colour of the first pixel, scaled to length 1. */
let disposed = 0;
const createEmbedder: EmbedderFactory = async () => ({
  embed: async ({ count, pixels, height, width }: ImageBatch) =>
    Float32Array.from({ length: count * 3 }, (_, i) => {
      const start = Math.floor(i / 3) * height * width * 3;
      const colour = pixels.subarray(start, start + 3);
      return colour[i % 3]! / Math.hypot(...colour);
    }),
  dispose: () => void disposed++,
});

/** The text of a file is its colour. */
async function decode(blob: Blob, path: string): Promise<RgbImage> {
  const colour = (await blob.text()).split(',').map(Number);
  if (colour.length !== 3) throw new Error(`${path} is damaged.`);
  const data = new Uint8Array(SIZE * SIZE * 3).map((_, i) => colour[i % 3]!);
  return { width: SIZE, height: SIZE, data };
}
const read = async (file: { path: string; directory: { read(path: string): Promise<Blob> } }) =>
  decode(await file.directory.read(file.path), file.path);

function folder(files: Readonly<Record<string, string>>): DirectoryReference {
  return {
    kind: 'files',
    name: 'faces',
    files: Object.entries(files).map(([path, text]) => ({ path, file: new File([text], path) })),
  };
}

const people = folder({
  'Ann/1.png': '200,1,1',
  'Ann/2.png': '220,9,1',
  'Böb/1.png': '1,200,1',
  'Böb/2.png': '1,90,20',
  'Böb/3.png': 'broken',
  'Cy/1.png': '1,1,200',
  'Cy/2.png': '9,1,200',
});

/** Entries of the zip are stored, not compressed. */
class ZipCollector {
  readonly chunks: Uint8Array[] = [];
  readonly stream = new WritableStream<Uint8Array>({
    write: (chunk) => void this.chunks.push(chunk.slice()),
  });
}

interface Npy {
  readonly header: string;
  readonly values: Buffer;
}

async function parseNpy(blob: Blob): Promise<Npy> {
  const bytes = Buffer.from(await blob.arrayBuffer());
  expect([...bytes.subarray(0, 8)]).toEqual([0x93, ...Buffer.from('NUMPY'), 1, 0]);
  const end = 10 + bytes.readUInt16LE(8);
  expect(end % 64).toBe(0);
  expect(bytes[end - 1]).toBe(0x0a);
  return { header: bytes.subarray(10, end).toString().trim(), values: bytes.subarray(end) };
}

describe('NumPy files', () => {
  it('have the header that NumPy writes, and the values', async () => {
    const floats = await parseNpy(npyFloats(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]));
    expect(floats.header).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    expect(floats.values.readFloatLE(20)).toBe(6);
    const integers = await parseNpy(npyIntegers([7, 70000]));
    expect(integers.header).toBe("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }");
    expect(integers.values.readBigInt64LE(8)).toBe(70000n);
    const texts = await parseNpy(npyTexts(['Ann', 'Böb😀']));
    expect(texts.header).toBe("{'descr': '<U4', 'fortran_order': False, 'shape': (2,), }");
    expect(texts.values.readUInt32LE(12)).toBe(0);
    expect(texts.values.readUInt32LE(28)).toBe(0x1f600);
  });
});

describe('embed', () => {
  it('writes one row per image, sorted by class and name, without unreadable images', async () => {
    const zip = new ZipCollector();
    const done: number[] = [];
    const summary = await embedFolder(
      model,
      { images: [people], output: { kind: 'zip', stream: zip.stream }, batch_size: 2 },
      createEmbedder,
      new JobControl(),
      (progress) => done.push(progress.done),
      read,
    );
    expect(summary).toMatchObject({
      imageCount: 6,
      embeddingSize: 3,
      classNames: ['Ann', 'Böb', 'Cy'],
      failures: ['Böb/3.png is damaged.'],
    });
    expect(done.at(-1)).toBe(7);
    const bytes = Buffer.concat(zip.chunks);
    const at = bytes.indexOf(Buffer.from("'<i8'"));
    const labels = bytes.subarray(bytes.indexOf(0x0a, at) + 1);
    expect(Array.from({ length: 6 }, (_, i) => Number(labels.readBigInt64LE(8 * i)))).toEqual([
      0, 0, 1, 1, 2, 2,
    ]);
  });

  it.each([
    [4, 4],
    [undefined, SIZE],
  ])('makes the network for the image_size that is chosen: %s', async (image_size, expected) => {
    const sizes: number[] = [];
    await embedFolder(
      model,
      {
        ...{ images: [people], output: { kind: 'zip', stream: new ZipCollector().stream } },
        ...{ batch_size: 2, image_size },
      },
      async (settings, parameters) => {
        sizes.push(settings.imageSize);
        return createEmbedder(settings, parameters);
      },
      new JobControl(),
      undefined,
      read,
    );
    expect(sizes).toEqual([expected]);
  });

  it('ends when it is cancelled, and lets go of the network', async () => {
    const control = new JobControl();
    control.cancel();
    const before = disposed;
    const zip = new ZipCollector();
    const request = { images: [people], output: { kind: 'zip', stream: zip.stream } as const, batch_size: 2 };
    await expect(embedFolder(model, request, createEmbedder, control, undefined, read)).rejects.toThrow();
    const running = new JobControl();
    await expect(
      embedFolder(
        model,
        { ...request, output: { kind: 'zip', stream: new ZipCollector().stream } },
        createEmbedder,
        running,
        undefined,
        async (file) => {
          running.cancel();
          return read(file);
        },
      ),
    ).rejects.toThrow(EvaluationCancelledError);
    expect(disposed).toBeGreaterThan(before);
  });
});

describe('compare', () => {
  const photos = folder({ 'a.jpg': '200,0,0', 'b.jpg': '0,200,0', 'c.jpg': '0,0,0', 'd.jpg': 'x' });
  const images = ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'a.jpg'].map((path) => ({ directory: photos, path }));
  const requests: unknown[] = [];

  /** A photo has the number of faces that `facesOf` gives, each with the pixels of the photo. */
  const locateWith = (facesOf: (image: RgbImage) => readonly number[]): LocateFaces =>
    async function* (listed, faces, options) {
      requests.push({ faces, ...options });
      for (const photo of listed) {
        const image = await read(photo.file).catch((error: Error) => error);
        if (image instanceof Error) yield { photo, faces: { message: image.message } };
        else if (facesOf(image).length === 0)
          yield { photo, faces: { message: `No face was found in ${photo.name}.` } };
        else
          yield {
            photo,
            faces: {
              crops: facesOf(image).map((number) => ({
                number,
                image: cropOrPad(image, options.image_size),
              })),
              faceCount: 2,
            },
          };
      }
    };
  const locate = locateWith((image) => (image.data.some((value) => value > 0) ? [2] : []));

  it('gives Euclidean distances, and says which photos have no face', async () => {
    const result = await comparePhotos(
      model,
      { images, margin: 2 },
      locate,
      createEmbedder,
      new JobControl(),
    );
    expect(requests.at(-1)).toEqual({ faces: 'main', margin: 2, image_size: SIZE });
    expect(result.images).toEqual([
      { index: 0, path: 'a.jpg', face: 2, faceCount: 2 },
      { index: 1, path: 'b.jpg', face: 2, faceCount: 2 },
      { index: 4, path: 'a.jpg', face: 2, faceCount: 2 },
    ]);
    expect(result.failures).toEqual([
      { path: 'c.jpg', message: 'No face was found in c.jpg.' },
      { path: 'd.jpg', message: 'd.jpg is damaged.' },
    ]);
    const root = expect.closeTo(Math.SQRT2, 6);
    expect(result.distances).toEqual([
      [0, root, 0],
      [root, 0, root],
      [0, root, 0],
    ]);
    expect(
      formatDistances(
        ['a.jpg', 'b.jpg'],
        [
          [0, 1.5],
          [1.5, 0],
        ],
      ),
    ).toEqual([
      'Images:',
      '0: a.jpg',
      '1: b.jpg',
      '',
      'Distance matrix',
      '        0         1     ',
      '0    0.0000    1.5000  ',
      '1    1.5000    0.0000  ',
    ]);
  });

  it('takes all faces when asked, and gives their crops as PNG files', async () => {
    const all = await comparePhotos(
      model,
      { images: images.slice(0, 2), margin: 0, allFaces: true, image_size: 4, includeCrops: true },
      locateWith(() => [1, 2]),
      createEmbedder,
      new JobControl(),
    );
    expect(requests.at(-1)).toEqual({ faces: 'all', margin: 0, image_size: 4 });
    expect(all.images.map(({ index, face, faceCount }) => [index, face, faceCount])).toEqual([
      [0, 1, 2],
      [0, 2, 2],
      [1, 1, 2],
      [1, 2, 2],
    ]);
    expect(all.distances[0]![1]).toBe(0);
    for (const { crop } of all.images)
      expect([...new Uint8Array(await crop!.arrayBuffer())].slice(1, 4)).toEqual([...Buffer.from('PNG')]);
  });

  it('cuts faces out as the model was trained', async () => {
    const metadata = { ...metadataOf(model), alignment: 'arcface' } as const;
    await comparePhotos(
      { ...model, metadata },
      { images: images.slice(0, 2), margin: 2 },
      locate,
      createEmbedder,
      new JobControl(),
    );
    expect(requests.at(-1)).toMatchObject({ alignment: 'arcface', image_size: SIZE });
  });

  it('says so when there is no face at all', async () => {
    const none = comparePhotos(
      model,
      { images: images.slice(2, 4), margin: 2 },
      locate,
      createEmbedder,
      new JobControl(),
    );
    await expect(none).rejects.toThrow(NoFaceFoundError);
  });
});

describe('the faces that are taken', () => {
  const face = { box: [1, 1, 7, 7] as const, score: 1, landmarksX: [], landmarksY: [] };
  const faces = [{ ...face, box: [0, 0, 2, 2] as const }, face];

  it('are the main one of several, or all of them', () => {
    expect(chooseFaces(faces, 'main', SIZE, SIZE)).toEqual([1]);
    expect(chooseFaces(faces, 'all', SIZE, SIZE)).toEqual([0, 1]);
    expect(chooseFaces([], 'main', SIZE, SIZE)).toEqual([]);
  });
});

describe('classify', () => {
  const settings = { images: [people], seed: 1, batch_size: 4 };
  const run = (request: Partial<Parameters<typeof classify>[1]> & { mode: 'TRAIN' | 'CLASSIFY' }) =>
    classify(model, { ...settings, ...request }, createEmbedder, new JobControl(), undefined, read);

  it('names people that it has learned, and counts mistakes', async () => {
    const { classifier, ...trained } = await run({ mode: 'TRAIN' });
    expect(trained).toMatchObject({ classCount: 3, imageCount: 6 });
    const images = [
      folder({ 'Ann/8.png': '190,3,9', 'Böb/8.png': '9,99,1', 'Cy/8.png': '150,9,1', 'Dan/8.png': '1,1,99' }),
    ];
    const result = await run({ mode: 'CLASSIFY', classifier, images });
    expect(result.predictions!.map(({ predicted }) => predicted)).toEqual(['Ann', 'Böb', 'Ann', 'Cy']);
    // The classifier does not know Dan.
    expect(result.accuracy).toBeCloseTo(2 / 3, 9);
    expect(result.mistakes).toEqual([{ actual: 'Cy', predicted: 'Ann', count: 1 }]);
  });

  it('counts who was taken for whom, for a spreadsheet', () => {
    const prediction = (actual: string, predicted: string) => ({
      path: '',
      actual,
      predicted,
      probability: 1,
    });
    const table = confusionTable([
      prediction('Cy', 'Ann'),
      prediction('Ann', 'Ann'),
      prediction('Cy', 'Ann'),
      prediction('B, "b"', 'Cy'),
    ]);
    expect(table).toBe(',Ann,Cy\r\nAnn,1,0\r\n"B, ""b""",0,1\r\nCy,2,0\r\n');
  });

  it('splits a folder so that no image trains and tests', async () => {
    const split = { minNrofImagesPerClass: 2, nrofTrainImagesPerClass: 1 };
    const { classifier, imageCount } = await run({ mode: 'TRAIN', split, seed: 3 });
    const tested = await run({ mode: 'CLASSIFY', split, classifier, seed: 3 });
    expect(imageCount + tested.imageCount + tested.failures.length).toBeGreaterThanOrEqual(6);
    expect(imageCount + tested.imageCount).toBe(6);
    await expect(run({ mode: 'TRAIN', split: { ...split, minNrofImagesPerClass: 3 } })).rejects.toThrow(
      TooFewClassesError,
    );
  });

  it('refuses a classifier of other embeddings', async () => {
    const { classifier } = await run({ mode: 'TRAIN' });
    const other = { ...model, graph: smallGraph(4) };
    await expect(
      classify(
        other,
        { ...settings, mode: 'CLASSIFY', classifier },
        createEmbedder,
        new JobControl(),
        undefined,
        read,
      ),
    ).rejects.toThrow('it needs embeddings of 3 values, but those of the model standin have 4');
  });
});

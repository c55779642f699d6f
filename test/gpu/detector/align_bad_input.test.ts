/** Alignment and decoding of everything that a folder of photos may hold. */
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeImage, MAXIMUM_PIXELS } from '../../../workers/files/images/decode.ts';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { align } from '../../../workers/jobs/align/align_job.ts';
import { detect } from '../../../workers/jobs/align/detect_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignOptions,
  type AlignSummary,
  type DetectionRecord,
} from '../../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import { drawSampleFace } from '../../../workers/jobs/sample_faces/draw_face.ts';
import { samplePerson } from '../../../workers/jobs/sample_faces/person.ts';
import { samplePhoto } from '../../../workers/jobs/sample_faces/photo.ts';
import astronautUrl from '../../fixtures/astronaut.png?url';
import {
  makeAnimatedGif,
  makeAnimatedWebp,
  makeFlatJpeg,
  makeHeicBeginning,
  makePng,
  withOrientation,
} from './align_image_files.ts';

const OUTPUT: DirectoryReference = { kind: 'private', path: 'test-align' };

const face = (person: number, type = 'image/jpeg'): Promise<Blob> =>
  drawSampleFace(samplePerson(1, person), samplePhoto(1, person, 0)).convertToBlob({ type, quality: 0.95 });

function folder(files: Readonly<Record<string, BlobPart>>): DirectoryReference {
  return {
    kind: 'files',
    name: 'photos',
    files: Object.entries(files).map(([path, content]) => ({ path, file: new File([content], path) })),
  };
}

async function run(
  input: DirectoryReference[],
  options: Partial<AlignOptions> = {},
): Promise<AlignSummary & { events: AlignEvent[] }> {
  const events: AlignEvent[] = [];
  const summary = await align(
    {
      input,
      output: { kind: 'directory', directory: OUTPUT },
      options: { ...DEFAULT_ALIGN_OPTIONS, ...options },
      backend: 'wasm',
    },
    (event) => events.push(event),
    new JobControl(),
  );
  return { ...summary, events };
}

async function written(): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of (await openWritableDirectory(OUTPUT)).list()) paths.push(path);
  return paths.filter((path) => path.endsWith('.png')).sort();
}

async function boundingBoxes(): Promise<string[]> {
  const directory = await openWritableDirectory(OUTPUT);
  const lines: string[] = [];
  for await (const { path } of directory.list())
    if (/^bounding_boxes_\d{5}\.txt$/.test(path))
      lines.push(...(await (await directory.read(path)).text()).trimEnd().split('\n'));
  return lines;
}

beforeEach(async () => {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry('test-align', { recursive: true }).catch(() => undefined);
});

describe('a folder with all kinds of files', () => {
  it('gives every readable face, names every other file with its reason, and continues', async () => {
    const good = new Uint8Array(await (await face(1)).arrayBuffer());
    const { failures, successfullyAligned, totalImages } = await run([
      folder({
        'Ann/good.jpg': good,
        'Ann/empty.jpg': '',
        'Ann/cut.jpg': good.slice(0, Math.floor(good.length * 0.6)),
        'Ann/letter.jpg': 'Dear Ann, this is no picture.',
        'Ann/damaged.png': new Uint8Array([
          ...(await makePng(8, 8, 8, 2, () => 9)).slice(0, 40),
          ...new TextEncoder().encode('IEND'),
        ]),
        'Ann/pixel.png': await makePng(1, 1, 8, 2, () => 100),
        'Ann/strip.png': await makePng(30_000, 10, 8, 0, (x) => x & 255),
        'Ann/wall.png': await makePng(120, 120, 8, 2, (x, y, channel) => (x * 2 + y + channel * 30) & 255),
        'Ann/phone.heic': makeHeicBeginning(),
        'Ann/renamed phone.jpg': makeHeicBeginning(),
        'Ann/notes.txt': 'ignored',
        'Ann/inner/good.jpg': good,
        'loose.jpg': good,
      }),
    ]);
    expect(totalImages).toBe(10);
    expect(successfullyAligned).toBe(1);
    expect(Object.fromEntries(failures.map(({ path, reason }) => [path, reason]))).toEqual({
      'Ann/empty.jpg': 'unreadable',
      'Ann/cut.jpg': 'unreadable',
      'Ann/letter.jpg': 'unreadable',
      'Ann/damaged.png': 'unreadable',
      'Ann/phone.heic': 'unreadable',
      'Ann/renamed phone.jpg': 'unreadable',
      'Ann/pixel.png': 'too-small',
      'Ann/strip.png': 'too-small',
      'Ann/wall.png': 'no-face',
    });
    const message = (path: string): string => failures.find((one) => one.path === path)!.message;
    for (const { path, message: text } of failures) expect(text).toContain(path);
    expect(message('Ann/empty.jpg')).toContain('empty');
    expect(message('Ann/cut.jpg')).toContain('cut off');
    expect(message('Ann/letter.jpg')).toContain('not in an image format');
    for (const path of ['Ann/phone.heic', 'Ann/renamed phone.jpg'])
      expect(message(path)).toMatch(/HEIC photo, which this browser does not support; convert it to JPEG/);
    expect(message('Ann/strip.png')).toContain('30000 × 10');
    expect(await written()).toEqual(['Ann/good.png']);
    const lines = await boundingBoxes();
    expect(lines.filter((line) => /^Ann\/good\.png( \d+){4}$/.test(line))).toHaveLength(1);
    expect(lines).toContain('Ann/cut.png');
    expect(lines).toHaveLength(10);
  });

  it('keeps names with spaces, quotes and any script', async () => {
    const good = await face(2);
    const paths = [`Zoë "Z" O'Neil/photo 1 (2).jpg`, '山田 太郎/写真#100%.jpg', 'a.b/c.d.jpg'];
    const { failures } = await run([folder(Object.fromEntries(paths.map((path) => [path, good])))]);
    expect(failures).toEqual([]);
    expect(await written()).toEqual(paths.map((path) => path.replace(/jpg$/, 'png')).sort());
  });

  it('loses none of two photos with one name, and says so', async () => {
    const [jpeg, png] = [await face(3), await face(4, 'image/png')];
    const input = [
      folder({ 'Eve/a.jpg': jpeg, 'Eve/a.png': png, 'Eve/a-2.jpg': jpeg }),
      folder({ 'Eve/a.jpg': png }),
    ];
    const first = await run(input);
    expect(await written()).toEqual(['Eve/a-2.png', 'Eve/a-3.png', 'Eve/a-4.png', 'Eve/a.png']);
    expect(first.renamed).toEqual([
      { path: 'Eve/a.jpg', outputPath: 'Eve/a-3.png' },
      { path: 'Eve/a.png', outputPath: 'Eve/a-4.png' },
    ]);
    const second = await run(input);
    expect(second).toMatchObject({ skippedExisting: 4, successfullyAligned: 4 });
    expect(second.events.filter(({ kind }) => kind === 'aligned')).toEqual([]);
  });

  it('continues a stopped run, and does an output again that was left empty', async () => {
    const input = [folder({ 'Bo/1.jpg': await face(1), 'Bo/2.jpg': await face(2) })];
    await run(input);
    const directory = await openWritableDirectory(OUTPUT);
    const size = (await directory.read('Bo/1.png')).size;
    await directory.write('Bo/1.png', '');
    const again = await run(input);
    expect(again).toMatchObject({ skippedExisting: 1, successfullyAligned: 2, totalImages: 2 });
    expect((await directory.read('Bo/1.png')).size).toBe(size);
  });

  it('writes every face when asked to', async () => {
    const canvas = new OffscreenCanvas(500, 250);
    const context = canvas.getContext('2d')!;
    context.drawImage(drawSampleFace(samplePerson(1, 1), samplePhoto(1, 1, 0)), 0, 0);
    context.drawImage(drawSampleFace(samplePerson(1, 2), samplePhoto(1, 2, 1)), 250, 0);
    const input = [folder({ 'Two/both.png': await canvas.convertToBlob() })];
    const { events } = await run(input, { detect_multiple_faces: true });
    expect(await written()).toEqual(['Two/both_0.png', 'Two/both_1.png']);
    const aligned = events.find((event) => event.kind === 'aligned');
    expect(aligned).toMatchObject({ chosen: [0, 1], width: 500, height: 250 });
    expect(await run(input, { detect_multiple_faces: true })).toMatchObject({ skippedExisting: 1 });
  });

  it('opens a folder of 100,000 photos, and ends at once when it is stopped', async () => {
    const photo = new File([await face(1)], 'photo');
    const files = Array.from({ length: 100_000 }, (_, index) => ({
      path: `Person ${index % 500}/${index}.jpg`,
      file: photo,
    }));
    const control = new JobControl();
    const startedAt = performance.now();
    let openMs = 0;
    let stoppedAt = NaN;
    const summary = await align(
      {
        input: [{ kind: 'files', name: 'many', files }],
        output: { kind: 'directory', directory: OUTPUT },
        options: DEFAULT_ALIGN_OPTIONS,
        backend: 'wasm',
      },
      (event) => {
        if (event.kind === 'started') openMs = performance.now() - startedAt;
        if (event.kind !== 'aligned') return;
        stoppedAt = performance.now();
        control.cancel();
      },
      control,
    );
    const stopMs = performance.now() - stoppedAt;
    console.log(
      `100,000 photos: opened in ${(openMs / 1000).toFixed(1)} s, ended after ${stopMs.toFixed(0)} ms`,
    );
    expect(summary).toMatchObject({ totalImages: 100_000, successfullyAligned: 1, cancelled: true });
    expect(openMs).toBeLessThan(30_000);
    expect(stopMs).toBeLessThan(10_000);
  });

  it('stops between two photos', async () => {
    const control = new JobControl();
    const good = await face(1);
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`C/${index}.jpg`, good]));
    const summary = await align(
      {
        input: [folder(files)],
        output: { kind: 'directory', directory: OUTPUT },
        options: DEFAULT_ALIGN_OPTIONS,
        backend: 'wasm',
      },
      (event) => {
        if (event.kind === 'aligned') control.cancel();
      },
      control,
    );
    expect(summary.cancelled).toBe(true);
    expect(summary.successfullyAligned).toBe(1);
    expect(await written()).toHaveLength(1);
  });
});

describe('decoding', () => {
  const pixel = (image: { width: number; data: Uint8Array }, x: number, y: number): number[] => [
    ...image.data.subarray((y * image.width + x) * 3, (y * image.width + x) * 3 + 3),
  ];
  const near = (actual: readonly number[], expected: readonly number[], tolerance: number): void =>
    actual.forEach((value, index) =>
      expect(Math.abs(value - expected[index]!)).toBeLessThanOrEqual(tolerance),
    );
  const decode = (content: BlobPart) => decodeImage(new Blob([content]), 'test');

  it('takes 16 bits a channel, grey, and colours below transparency', async () => {
    const deep = await decode(
      await makePng(4, 3, 16, 2, (x, y, channel) => (x * 40 + y * 20 + channel * 10) * 257),
    );
    expect(deep).toMatchObject({ width: 4, height: 3 });
    near(pixel(deep, 3, 2), [160, 170, 180], 1);
    const grey = await decode(await makePng(4, 3, 8, 0, (x, y) => x * 50 + y));
    expect(pixel(grey, 2, 1)).toEqual([101, 101, 101]);
    const transparent = await decode(
      await makePng(4, 3, 8, 6, (x, _y, channel) => [200, 100, 50, x * 80][channel]!),
    );
    for (const x of [0, 1, 2, 3]) near(pixel(transparent, x, 1), [200, 100, 50], 1);
  });

  it('takes CMYK', async () => {
    const image = await decode(makeFlatJpeg(16, 8, 4));
    expect(image).toMatchObject({ width: 16, height: 8 });
    const [red, green, blue] = pixel(image, 5, 5) as [number, number, number];
    // Half ink everywhere: a dark grey, however the browser mixes inks.
    expect(Math.max(red, green, blue) - Math.min(red, green, blue)).toBeLessThan(24);
    expect(green).toBeGreaterThan(30);
    expect(green).toBeLessThan(140);
  });

  it('takes the first frame of an animation', async () => {
    expect(pixel(await decode(makeAnimatedGif()), 1, 1)).toEqual([255, 0, 0]);
    const frames = await Promise.all(
      ['red', 'blue'].map(async (colour) => {
        const canvas = new OffscreenCanvas(16, 16);
        const context = canvas.getContext('2d')!;
        context.fillStyle = colour;
        context.fillRect(0, 0, 16, 16);
        const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.9 });
        return new Uint8Array(await blob.arrayBuffer());
      }),
    );
    const image = await decode(makeAnimatedWebp(frames, 16, 16));
    expect(image).toMatchObject({ width: 16, height: 16 });
    near(pixel(image, 8, 8), [255, 0, 0], 12);
  });

  it('turns photos as EXIF says, in all eight ways', async () => {
    const canvas = new OffscreenCanvas(48, 32);
    const context = canvas.getContext('2d')!;
    const corners = { red: [0, 0], lime: [24, 0], blue: [0, 16], white: [24, 16] } as const;
    for (const [colour, [x, y]] of Object.entries(corners)) {
      context.fillStyle = colour;
      context.fillRect(x, y, 24, 16);
    }
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 1 });
    const jpeg = new Uint8Array(await blob.arrayBuffer());
    const [red, lime, blue, white] = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [255, 255, 255],
    ];
    // The colours at the top left and at the top right.
    const expected = [
      [red, lime],
      [lime, red],
      [white, blue],
      [blue, white],
      [red, blue],
      [blue, red],
      [white, lime],
      [lime, white],
    ];
    for (const [index, [left, right]] of expected.entries()) {
      const image = await decode(withOrientation(jpeg, index + 1));
      const isTurned = index >= 4;
      expect([image.width, image.height]).toEqual(isTurned ? [32, 48] : [48, 32]);
      near(pixel(image, 6, 6), left!, 12);
      near(pixel(image, image.width - 6, 6), right!, 12);
    }
  });

  it('refuses what is larger than the bound, by its header', async () => {
    const header = makeFlatJpeg(65_528, 8, 1);
    header.set([0xff, 0xf0], header.indexOf(0xc0) + 4);
    const tooLarge = new RegExp(`${MAXIMUM_PIXELS / 1e6} megapixels`);
    await expect(decode(header)).rejects.toThrow(tooLarge);
    // A decoder skips stray bytes between segments, and finds the frame behind them.
    const frame = header.indexOf(0xc0) - 1;
    const stray = Uint8Array.from([...header.subarray(0, frame), 0, ...header.subarray(frame)]);
    await expect(decode(stray)).rejects.toThrow(tooLarge);
  });

  it('gives boxes of a large photo in its own pixels', async () => {
    const scale = 11;
    const bitmap = await createImageBitmap(await (await fetch(astronautUrl)).blob());
    const canvas = new OffscreenCanvas(bitmap.width * scale, bitmap.height * scale);
    canvas.getContext('2d')!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const large = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
    const records: DetectionRecord[] = [];
    await detect(
      [folder({ 'large.jpg': large })],
      { ...DEFAULT_ALIGN_OPTIONS, minsize: 60 * scale },
      'wasm',
      (record) => records.push(record),
      new JobControl(),
    );
    expect(records[0]).toMatchObject({ width: canvas.width, height: canvas.height });
    expect(records[0]!.faces).toHaveLength(1);
    near(
      records[0]!.faces[0]!.box.map((value) => value / scale),
      [179.8, 60.1, 268.1, 173.9],
      8,
    );
  });
});

/**
 * Photos that are larger than what is searched, decoded or drawn at once, and those that are turned or followed by
 * data.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeImage, LARGE_PHOTO_PIXELS } from '../../../workers/files/images/decode.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { openWritableDirectory } from '../../../workers/files/open.ts';
import { ByteReader } from '../../../workers/files/images/structure/byte_reader.ts';
import { readImageStructure } from '../../../workers/files/images/structure/image_structure.ts';
import { smallPicture, thumbnail } from '../../../workers/files/images/thumbnails.ts';
import { align } from '../../../workers/jobs/align/align_job.ts';
import { detect } from '../../../workers/jobs/align/detect_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { cropFace, type CropBox } from '../../../workers/detector/align.ts';
import { DEFAULT_ALIGN_OPTIONS, type DetectionRecord } from '../../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import astronautUrl from '../../fixtures/astronaut.png?url';
import { makeAnimatedGif, makeFlatJpeg, makePng, withOrientation } from './align_image_files.ts';

const OUTPUT: DirectoryReference = { kind: 'private', path: 'test-large-photos' };
const astronaut = await createImageBitmap(await (await fetch(astronautUrl)).blob());

const bytesOf = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await blob.arrayBuffer());
const decode = (content: BlobPart): Promise<RgbImage> => decodeImage(new Blob([content]), 'test');
/** The thumbnail that the page draws. */
function shown(bitmap: ImageBitmap | undefined): RgbImage {
  if (!bitmap) throw new Error('nothing is shown');
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d')!;
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  return { width, height, data: Uint8Array.from(rgba.filter((_, at) => at % 4 !== 3)) };
}
const pixel = ({ width, data }: RgbImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

function folder(files: Readonly<Record<string, BlobPart>>): DirectoryReference {
  return {
    kind: 'files',
    name: 'photos',
    files: Object.entries(files).map(([path, content]) => ({ path, file: new File([content], path) })),
  };
}

/** The astronaut's head, 600 pixels wide, `count` times side by side. */
async function panorama(width: number, height: number, faces: number): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#78716c';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  for (let index = 0; index < faces; index++) {
    const x = Math.floor(((index + 0.5) * width) / faces) - 300;
    context.drawImage(astronaut, 130, 0, 200, 200, x, Math.floor(height / 2) - 300, 600, 600);
  }
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
}

beforeEach(async () => {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry('test-large-photos', { recursive: true }).catch(() => undefined);
});

describe('photos above 16 megapixels', () => {
  // Large faces, and a large minimum size, so that the search takes little time.
  const options = { ...DEFAULT_ALIGN_OPTIONS, minsize: 150, detect_multiple_faces: true };

  it.each(['wasm', 'webgpu'] as const)('have the faces that smaller ones have, on %s', async (backend) => {
    const records: DetectionRecord[] = [];
    const photos = {
      'P/above.jpg': await panorama(23_000, 700, 8),
      'P/below.jpg': await panorama(22_800, 700, 8),
    };
    expect(23_000 * 700).toBeGreaterThan(LARGE_PHOTO_PIXELS);
    expect(22_800 * 700).toBeLessThan(LARGE_PHOTO_PIXELS);
    await detect([folder(photos)], options, backend, (record) => records.push(record), new JobControl());
    const [above, below] = [0, 1].map((index) => records[index]!.faces.map(({ box }) => box));
    expect(records[0]).toMatchObject({ width: 23_000, height: 700 });
    expect(above).toHaveLength(8);
    expect(below).toHaveLength(8);
    const widths = (boxes: readonly (readonly number[])[]): number[] => boxes.map(([x1, , x2]) => x2! - x1!);
    for (const width of widths(above!)) expect(Math.abs(width - widths(below!)[0]!)).toBeLessThan(30);
  });

  it.each(['wasm', 'webgpu'] as const)('are cut at full size, on %s', async (backend) => {
    const photo = await panorama(6400, 2600, 3);
    const boxes: CropBox[] = [];
    const { failures } = await align(
      {
        input: [folder({ 'P/large.jpg': photo })],
        output: { kind: 'directory', directory: OUTPUT },
        options: { ...options, image_size: 160 },
        backend,
      },
      () => undefined,
      new JobControl(),
    );
    expect(failures).toEqual([]);
    const output = await openWritableDirectory(OUTPUT);
    for await (const { path } of output.list())
      if (path.startsWith('bounding_boxes'))
        for (const line of (await (await output.read(path)).text()).split('\n')) {
          const found = /^P\/large_\d\.png (\d+) (\d+) (\d+) (\d+)$/.exec(line);
          if (found) boxes.push(found.slice(1).map(Number) as unknown as CropBox);
        }
    expect(boxes).toHaveLength(3);
    const whole = await decodeImage(photo, 'large.jpg');
    for (const [index, box] of boxes.entries()) {
      const written = await decodeImage(await output.read(`P/large_${index}.png`), 'face');
      expect(written.data).toEqual(cropFace(whole, box, 160)!.data);
    }
  });

  it('are decoded one at a time, upright and complete', async () => {
    const [first, second] = await Promise.all([
      decode(makeFlatJpeg(6400, 3200, 1)),
      decode(withOrientation(makeFlatJpeg(6400, 3200, 1), 6)),
    ]);
    expect([first.width, first.height]).toEqual([6400, 3200]);
    expect([second.width, second.height]).toEqual([3200, 6400]);
    for (const image of [first, second])
      expect([pixel(image, 0, 0), pixel(image, image.width - 1, image.height - 1)]).toEqual([
        [128, 128, 128],
        [128, 128, 128],
      ]);
  });
});

describe('pieces', () => {
  it('make up photos that are wider than a canvas', async () => {
    const image = await decode(await makePng(70_000, 40, 8, 0, (x, y) => (x * 7 + y * 13) & 255));
    expect([image.width, image.height]).toEqual([70_000, 40]);
    for (const [x, y] of [
      [0, 0],
      [4095, 3],
      [4096, 39],
      [65_535, 20],
      [65_536, 21],
      [69_999, 39],
    ] as const)
      expect(pixel(image, x, y)[0]).toBe((x * 7 + y * 13) & 255);
  });

  it('have the colours below transparency, in each of them', async () => {
    const colour = (x: number, y: number, channel: number): number =>
      channel === 3 ? (x > 4500 && y > 300 ? 0 : 255) : ((x >> (2 * channel)) + y) & 255;
    const image = await decode(await makePng(5000, 640, 8, 6, colour));
    for (const [x, y] of [
      [10, 10],
      [4600, 200],
      [4600, 301],
      [4999, 639],
      [4501, 520],
    ] as const)
      expect(pixel(image, x, y), `${x}, ${y}`).toEqual([0, 1, 2].map((channel) => colour(x, y, channel)));
  });
});

const uint32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
const text = (value: string): number[] => [...value].map((character) => character.charCodeAt(0));
const exif = (orientation: number): number[] => [
  ...[...text('MM'), 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0],
];

function crc32(bytes: readonly number[]): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function pngWithOrientation(
  png: Uint8Array,
  orientation: number,
  at: 'before' | 'behind',
): Uint8Array<ArrayBuffer> {
  const body = [...text('eXIf'), ...exif(orientation)];
  const chunk = [...uint32(body.length - 4), ...body, ...uint32(crc32(body))];
  // The header is always 33 bytes, the end 12.
  const place = at === 'before' ? 33 : png.length - 12;
  return Uint8Array.from([...png.subarray(0, place), ...chunk, ...png.subarray(place)]);
}

function webpWithOrientation(
  webp: Uint8Array,
  width: number,
  height: number,
  orientation: number,
): Uint8Array<ArrayBuffer> {
  const little = (value: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => (value >>> (8 * index)) & 255);
  const tags = exif(orientation);
  const picture = /^VP8[ L]/.test(String.fromCharCode(...webp.subarray(12, 16)))
    ? webp.subarray(12)
    : webp.subarray(30);
  const body = [
    ...[
      ...text('WEBPVP8X'),
      ...little(10, 4),
      0x08,
      0,
      0,
      0,
      ...little(width - 1, 3),
      ...little(height - 1, 3),
    ],
    ...picture,
    ...[...text('EXIF'), ...little(tags.length, 4), ...tags],
  ];
  return Uint8Array.from([...text('RIFF'), ...little(body.length, 4), ...body]);
}

function tiffWithOrientation(image: RgbImage, orientation: number): Uint8Array<ArrayBuffer> {
  const entries = [
    [256, 4, 1, image.width],
    [257, 4, 1, image.height],
    [258, 3, 1, 8 << 16],
    [262, 3, 1, 2 << 16],
    [273, 4, 1, 200],
    [274, 3, 1, orientation << 16],
    [277, 3, 1, 3 << 16],
    [279, 4, 1, image.data.length],
  ];
  const directory = entries.flatMap(([tag, type, count, value]) => [
    ...[tag! >> 8, tag! & 255, 0, type!],
    ...[...uint32(count!), ...uint32(value!)],
  ]);
  const bytes = new Uint8Array(200 + image.data.length);
  bytes.set([...text('MM'), 0, 42, 0, 0, 0, 8, 0, entries.length, ...directory]);
  bytes.set(image.data, 200);
  return bytes;
}

describe('orientation', () => {
  it('is applied once, in all eight ways, for every kind of file', async () => {
    const [width, height] = [48, 32];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d')!;
    const corners = { red: [0, 0], lime: [24, 0], blue: [0, 16], white: [24, 16] } as const;
    for (const [colour, [x, y]] of Object.entries(corners)) {
      context.fillStyle = colour;
      context.fillRect(x, y, 24, 16);
    }
    const encode = async (type: string): Promise<Uint8Array<ArrayBuffer>> =>
      bytesOf(await canvas.convertToBlob({ type, quality: 1 }));
    const [jpeg, png, webp] = [
      await encode('image/jpeg'),
      await encode('image/png'),
      await encode('image/webp'),
    ];
    const stored = await decode(png);
    const files: Readonly<Record<string, (orientation: number) => Uint8Array<ArrayBuffer>>> = {
      jpeg: (orientation) => withOrientation(jpeg, orientation),
      png: (orientation) => pngWithOrientation(png, orientation, 'before'),
      'png behind its pixels': (orientation) => pngWithOrientation(png, orientation, 'behind'),
      webp: (orientation) => webpWithOrientation(webp, width, height, orientation),
      tiff: (orientation) => tiffWithOrientation(stored, orientation),
    };
    const names = { red: [255, 0, 0], lime: [0, 255, 0], blue: [0, 0, 255], white: [255, 255, 255] };
    const nameAt = (image: RgbImage, x: number, y: number): string =>
      Object.entries(names).find(([, colour]) =>
        pixel(image, x, y).every((value, channel) => Math.abs(value - colour[channel]!) < 60),
      )?.[0] ?? String(pixel(image, x, y));
    // The colours at the top left and at the top right.
    const expected = [
      'red lime',
      'lime red',
      'white blue',
      'blue white',
      'red blue',
      'blue red',
      'white lime',
      'lime white',
    ];
    for (const [kind, make] of Object.entries(files)) {
      const seen: string[] = [];
      for (let orientation = 1; orientation <= 8; orientation++) {
        const image = await decode(make(orientation));
        expect([image.width, image.height]).toEqual(orientation >= 5 ? [height, width] : [width, height]);
        seen.push(`${nameAt(image, 6, 6)} ${nameAt(image, image.width - 7, 6)}`);
        // Its small pictures have the same orientation.
        const file = new Blob([make(orientation)]);
        const small = shown(await smallPicture(file, 'test', 24));
        expect([small.width, small.height]).toEqual(orientation >= 5 ? [16, 24] : [24, 16]);
        const square = shown(await thumbnail(file, 'test', 16));
        expect([square.width, square.height]).toEqual([16, 16]);
        for (const { name, picture } of [
          { name: 'small', picture: small },
          { name: 'square', picture: square },
        ])
          expect(
            `${nameAt(picture, 3, 3)} ${nameAt(picture, picture.width - 4, 3)}`,
            `${kind}, ${orientation}, ${name}`,
          ).toBe(expected[orientation - 1]);
      }
      expect(seen, kind).toEqual(expected);
    }
  });
});

describe('small pictures', () => {
  it('are made of TIFF and PNM files, reduced, and not of what is refused', async () => {
    const [width, height] = [640, 480];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, at) =>
      at % 3 === 0 ? ((Math.floor(at / 3) % width) * 255) / width : 40,
    );
    const tiff = new Blob([tiffWithOrientation({ width, height, data }, 1)]);
    const small = shown(await smallPicture(tiff, 'a.tif', 64));
    expect([small.width, small.height]).toEqual([64, 48]);
    expect(Math.abs(pixel(small, 32, 24)[0]! - 128)).toBeLessThan(8);
    const pnm = new Blob([`P6 ${width} ${height} 255\n`, data]);
    expect(Math.abs(pixel(shown(await thumbnail(pnm, 'a.ppm', 32)), 16, 16)[0]! - 128)).toBeLessThan(8);
    // The header states 400 megapixels, so nothing is decoded.
    const huge = Uint8Array.from(makeFlatJpeg(64, 8, 1));
    const frame = huge.findIndex((byte, at) => byte === 0xff && huge[at + 1] === 0xc0);
    huge.set([0x4e, 0x20, 0x4e, 0x20], frame + 5);
    expect(await smallPicture(new Blob([huge]), 'huge.jpg', 64)).toBeUndefined();
    expect(await thumbnail(new Blob(['no picture']), 'a.jpg', 64)).toBeUndefined();
  });
});

describe('data behind a picture', () => {
  it('does not matter, and a missing end does', async () => {
    const canvas = new OffscreenCanvas(200, 120);
    canvas.getContext('2d')!.drawImage(astronaut, 0, 0);
    const video = Uint8Array.from(
      { length: 90_000 },
      (_, index) => (index * index * 31 + (index >> 3)) & 255,
    );
    for (const type of ['image/jpeg', 'image/png', 'image/webp']) {
      const whole = await bytesOf(await canvas.convertToBlob({ type }));
      const plain = await decode(whole);
      for (const behind of [new Uint8Array(70_000), video])
        expect((await decode(new Blob([whole, behind]))).data).toEqual(plain.data);
      await expect(decode(whole.slice(0, Math.floor(whole.length * 0.7)))).rejects.toThrow('cut off');
    }
  });
});

describe('sizes that files name', () => {
  it('are never smaller than what the browser decodes', async () => {
    const canvas = new OffscreenCanvas(40, 24);
    canvas.getContext('2d')!.drawImage(astronaut, 0, 0);
    const encode = async (type: string): Promise<Uint8Array<ArrayBuffer>> =>
      bytesOf(await canvas.convertToBlob({ type }));
    const bases = [
      ...(await Promise.all(['image/jpeg', 'image/png', 'image/webp'].map(encode))),
      ...[makeAnimatedGif(), makeFlatJpeg(64, 8, 1), makeFlatJpeg(64, 8, 4)],
      webpWithOrientation(await encode('image/webp'), 40, 24, 1),
    ];
    let decoded = 0;
    const change = fc.record({
      at: fc.nat(250),
      kind: fc.constantFrom('set', 'insert', 'remove', 'repeat'),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bases),
        fc.array(change, { maxLength: 3 }),
        async (base, changes) => {
          let file = [...base];
          for (const { at, kind, bytes } of changes) {
            if (kind === 'set') file.splice(at, bytes.length, ...bytes);
            else if (kind === 'insert') file.splice(at, 0, ...bytes);
            else if (kind === 'remove') file.splice(at, bytes.length);
            else file = [...file.slice(0, at + 30), ...file.slice(at)];
          }
          const content = Uint8Array.from(file);
          const structure = await readImageStructure(ByteReader.of(content));
          const named = structure ? structure.width * structure.height : 0;
          // Not to fill the memory with what a change of the size makes of a picture.
          if (named > 4e6) return;
          const bitmap = await createImageBitmap(new Blob([content])).catch(() => undefined);
          if (!bitmap) return;
          decoded++;
          // Not an icon or another format that this program refuses without reading.
          if (structure) expect(bitmap.width * bitmap.height).toBeLessThanOrEqual(named);
          bitmap.close();
        },
      ),
      { numRuns: 600 },
    );
    expect(decoded).toBeGreaterThan(100);
  });
});

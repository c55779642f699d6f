/** Inspecting a dataset with a fake executor: an embedding is the colour of a picture. */
import { describe, expect, it } from 'vitest';
import { formatReport } from '../../../cli/commands/inspect.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { EmbeddingsNotFiniteError } from '../../../workers/evaluation/errors.ts';
import { EvaluationCancelledError } from '../../../workers/jobs/errors.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { embedPhotos } from '../../../workers/jobs/use/inspect_embed.ts';
import {
  DEFAULT_NEIGHBOUR_MAP,
  mapByNeighbours,
  TooFewPhotosError,
} from '../../../workers/jobs/use/inspect_map.ts';
import { InspectedPhotos } from '../../../workers/jobs/use/inspect_photos.ts';
import { filterTable, reportOnPhotos } from '../../../workers/jobs/use/inspect_report.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EmbedderFactory, ImageBatch } from '../../../workers/compute/executor.ts';
import { parseDistanceTable } from '../../../workers/formats/distance_table.ts';
import { smallGraph } from '../formats/formats_reference.ts';
import { distance, drawClasses } from '../evaluation/inspection_embeddings.ts';

const SIZE = 8;
const model: LoadedModel = {
  name: 'standin',
  graph: smallGraph(3),
  parameters: new Map(),
  imageSize: SIZE,
  useFixedImageStandardization: true,
};

const createEmbedder: EmbedderFactory = async () => ({
  embed: async ({ count, pixels, height, width }: ImageBatch) =>
    Float32Array.from({ length: count * 3 }, (_, i) => {
      const start = Math.floor(i / 3) * height * width * 3;
      const colour = pixels.subarray(start, start + 3);
      return colour[i % 3]! / Math.hypot(...colour);
    }),
  dispose: () => undefined,
});

const read = async (file: {
  path: string;
  directory: { read(path: string): Promise<Blob> };
}): Promise<RgbImage> => {
  const colour = (await (await file.directory.read(file.path)).text()).split(',').map(Number);
  if (colour.length !== 3) throw new Error(`${file.path} is damaged.`);
  return {
    width: SIZE,
    height: SIZE,
    data: new Uint8Array(SIZE * SIZE * 3).map((_, i) => colour[i % 3]!),
  };
};

function folder(name: string, files: Readonly<Record<string, string>>): DirectoryReference {
  return {
    kind: 'files',
    name,
    files: Object.entries(files).map(([path, text]) => ({ path, file: new File([text], path) })),
  };
}

/** Ann is red, Bob green, Cy blue. One of Bob's photos is in Ann's folder, and one of Cy's photos occurs twice. */
const FIRST = folder('first', {
  'Ann/1.png': '200,9,12',
  'Ann/2.png': '220,20,4',
  'Ann/3.png': '210,2,25',
  'Ann/4.png': '12,205,9',
  'Bob/1.png': '5,200,20',
  'Bob/2.png': '21,220,3',
  'Bob/3.png': 'broken',
});
const SECOND = folder('second', {
  'Ann/1.png': '190,14,15',
  'Bob/9.png': '14,210,12',
  'Cy/1.png': '3,20,210',
  'Cy/2.png': '22,3,230',
  'Cy/3.png': '22,3,230',
});
const request = { data: [FIRST, SECOND], batch_size: 4 };

describe('embedding a dataset', () => {
  it('gives each photo its folder, person and embedding, and names those that cannot be read', async () => {
    const photos = await embedPhotos(model, request, createEmbedder, new JobControl(), undefined, read);
    const places = photos.paths.split('\0').map((path, row) => `${photos.folders[row]} ${path}`);
    expect(places).toEqual([
      '0 Ann/1.png',
      '1 Ann/1.png',
      '0 Ann/2.png',
      '0 Ann/3.png',
      '0 Ann/4.png',
      '0 Bob/1.png',
      '0 Bob/2.png',
      '1 Bob/9.png',
      '1 Cy/1.png',
      '1 Cy/2.png',
      '1 Cy/3.png',
    ]);
    expect([...photos.labels]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect(photos.classNames).toEqual(['Ann', 'Bob', 'Cy']);
    expect(photos.failures).toEqual(['Bob/3.png is damaged.']);
    expect(photos.embeddings[0]).toBeCloseTo(200 / Math.hypot(200, 9, 12), 6);
  });

  it('ends when it is cancelled', async () => {
    const control = new JobControl();
    const cancelling = async (file: Parameters<typeof read>[0]): Promise<RgbImage> => {
      control.cancel();
      return read(file);
    };
    await expect(
      embedPhotos(model, request, createEmbedder, control, undefined, cancelling),
    ).rejects.toBeInstanceOf(EvaluationCancelledError);
  });
});

describe('what is found', () => {
  const look = async () => {
    const photos = await embedPhotos(model, request, createEmbedder, new JobControl(), undefined, read);
    return { photos, inspected: new InspectedPhotos(photos) };
  };

  it('is the photo in the wrong folder, and the picture that is there twice', async () => {
    const { photos, inspected } = await look();
    const none = new Uint8Array(photos.labels.length);
    const { suspects, fits, copies } = await inspected.inspect(none, new JobControl());
    expect(suspects[0]).toBe(4);
    expect(fits.nearestClasses[4]).toBe(1);
    expect([copies.first[0], copies.second[0]]).toEqual([9, 10]);
    const { positions, shares } = await inspected.map(none, new JobControl());
    expect(positions).toHaveLength(2 * photos.labels.length);
    // Three colours are almost in a plane.
    expect(shares[0] + shares[1]).toBeGreaterThan(0.9);
    expect(shares[0]).toBeGreaterThanOrEqual(shares[1]);
  });

  it('changes when photos are left out, and the table is without them', async () => {
    const { photos, inspected } = await look();
    const isLeftOut = new Uint8Array(photos.labels.length);
    isLeftOut[4] = 1;
    isLeftOut[10] = 1;
    const findings = await inspected.inspect(isLeftOut, new JobControl());
    expect([...findings.suspects]).not.toContain(4);
    expect(findings.copies.first).toHaveLength(0);
    const rows = parseDistanceTable(filterTable(photos, findings));
    expect(rows).toHaveLength(photos.labels.length - 2);
    expect(rows.map(({ path }) => path)).not.toContain('Ann/4.png');
  });

  it('cannot be computed from embeddings that are not numbers', async () => {
    const { photos } = await look();
    photos.embeddings[7] = NaN;
    expect(() => new InspectedPhotos(photos)).toThrow(EmbeddingsNotFiniteError);
  });
});

describe('the report for the terminal', () => {
  it('names photos and people, and holds the table', async () => {
    const report = await reportOnPhotos(model, request, createEmbedder, new JobControl(), undefined, read);
    expect(report).toMatchObject({ classCount: 3, imageCount: 11, failures: ['Bob/3.png is damaged.'] });
    expect(report.findings!.suspects[0]).toMatchObject({ path: 'Ann/4.png', looksLike: 'Bob' });
    expect(report.findings!.copies[0]).toMatchObject({ first: 'Cy/2.png', second: 'Cy/3.png' });
    const lines = formatReport(report, 1);
    expect(lines).toContain('Number of images: 11');
    expect(lines.find((line) => line.includes('Ann/4.png'))).toMatch(
      /^ {2}\d\.\d{3} {2}Ann\/4\.png {2}looks like Bob \(\d\.\d{3}\)$/,
    );
    expect(formatReport(report, 0).some((line) => line.includes('Ann/4.png'))).toBe(false);
  });

  it('is the same table where there are too many photos for more', async () => {
    const whole = await reportOnPhotos(model, request, createEmbedder, new JobControl(), undefined, read);
    const done: number[] = [];
    const table = await reportOnPhotos(
      model,
      request,
      createEmbedder,
      new JobControl(),
      (progress) => done.push(progress.done),
      // The table contains the readable photos.
      async (file) => {
        const { UnreadableImageError } = await import('../../../workers/protocol/data/file_errors.ts');
        return read(file).catch(() => Promise.reject(new UnreadableImageError(file.path, 'damaged')));
      },
      5,
    );
    expect(table.findings).toBeUndefined();
    expect(table.failures).toHaveLength(1);
    expect(done.at(-1)).toBe(12);
    const [expected, found] = [whole, table].map((report) => parseDistanceTable(report.table));
    expect(found!.map(({ path }) => path)).toEqual(expected!.map(({ path }) => path));
    found!.forEach((row, at) => expect(row.distance).toBeCloseTo(expected![at]!.distance, 5));
    expect(formatReport(table, 20).at(-1)).toContain('too many images');
  });
});

describe('the map by neighbourhood', () => {
  const drawn = drawClasses(21, { classCount: 3, photos: 20, dimension: 8, spread: 0.3 });

  it('puts those of one person together, the same way each time', async () => {
    const shares: number[] = [];
    const draw = () =>
      mapByNeighbours(drawn, DEFAULT_NEIGHBOUR_MAP, new JobControl(), (share) => shares.push(share));
    const positions = await draw();
    expect(await draw()).toEqual(positions);
    expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    const place = (row: number) => positions.subarray(2 * row, 2 * row + 2);
    for (let row = 0; row < 60; row++) {
      const nearest = Array.from({ length: 60 }, (_, other) => other)
        .filter((other) => other !== row)
        .sort((a, b) => distance(place(row), place(a)) - distance(place(row), place(b)))
        .slice(0, 5);
      expect(nearest.filter((other) => drawn.labels[other] === drawn.labels[row]).length).toBeGreaterThan(3);
    }
  });

  it('works for few photos and for copies, and not for fewer', async () => {
    for (const count of [4, 5, 16]) {
      const values = new Float32Array(drawn.values.subarray(0, count * 8));
      values.set(values.subarray(0, 8), 8);
      const positions = await mapByNeighbours(
        { values, dimension: 8 },
        DEFAULT_NEIGHBOUR_MAP,
        new JobControl(),
      );
      expect(positions).toHaveLength(2 * count);
      expect([...positions].every(Number.isFinite)).toBe(true);
    }
    const few = { values: drawn.values.slice(0, 24), dimension: 8 };
    await expect(mapByNeighbours(few, DEFAULT_NEIGHBOUR_MAP, new JobControl())).rejects.toBeInstanceOf(
      TooFewPhotosError,
    );
  });

  it('ends when it is cancelled', async () => {
    const control = new JobControl();
    const many = drawClasses(22, { classCount: 20, photos: 60, dimension: 16 });
    const drawing = mapByNeighbours(many, DEFAULT_NEIGHBOUR_MAP, control, () => control.cancel());
    await expect(drawing).rejects.toBeInstanceOf(EvaluationCancelledError);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnreadableImageError } from '../../../workers/protocol/data/file_errors.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { readDistanceTable } from '../../../workers/formats/distance_table.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { computeClassDistances } from '../../../workers/jobs/train/distance_table_job.ts';
import {
  DistanceTableError,
  formatDistanceTable,
  imageKey,
  parseDistanceTable,
} from '../../../workers/formats/distance_table.ts';
import { distanceThreshold, filterClasses, imagesToLeaveOut } from '../../../workers/training/filter.ts';

/** numpy.histogram, cumsum and interp, as the original's find_threshold calls them, in plain code. */
function naiveThreshold(distances: number[], percentile: number): number {
  let low = Math.min(...distances);
  let high = Math.max(...distances);
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const width = (high - low) / 100;
  const counts = Array<number>(100).fill(0);
  for (const distance of distances) counts[Math.min(99, Math.floor((distance - low) / width))]!++;
  const shares = counts.map(
    (_, bin) => counts.slice(0, bin + 1).reduce((a, b) => a + b, 0) / distances.length,
  );
  const centres = counts.map((_, bin) => low + (bin + 0.5) * width);
  const share = percentile / 100;
  if (share < shares[0]!) return centres[0]!;
  const last = shares.filter((value) => value <= share).length - 1;
  if (last === 99) return centres[99]!;
  const part = (share - shares[last]!) / (shares[last + 1]! - shares[last]!);
  return centres[last]! + part * (centres[last + 1]! - centres[last]!);
}

const distances = fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: 1, maxLength: 300 });

describe('the threshold', () => {
  it('is the one that a plain computation finds', () => {
    fc.assert(
      fc.property(distances, fc.double({ min: 0, max: 100, noNaN: true }), (values, percentile) => {
        expect(distanceThreshold(values, percentile)).toBeCloseTo(naiveThreshold(values, percentile), 9);
      }),
    );
  });

  it('has the values that NumPy computes', () => {
    const values = Array.from({ length: 1000 }, (_, i) => ((i * 7919) % 1000) / 1000);
    // numpy: hist, edges = np.histogram(v, 100); np.interp(q / 100, cumsum(hist) / 1000, centres)
    expect(distanceThreshold(values, 0)).toBeCloseTo(0.004995, 9);
    expect(distanceThreshold(values, 75)).toBeCloseTo(0.744255, 6);
    expect(distanceThreshold(values, 100)).toBeCloseTo(0.994005, 9);
  });
});

const className = fc.constantFrom('Ann', 'Bob', 'Čeněk', 'Dr. No');
const table = fc
  .uniqueArray(fc.tuple(className, fc.nat({ max: 99 })), {
    selector: ([name, index]) => `${name}/${index}`,
    minLength: 1,
    maxLength: 60,
  })
  .chain((keys) =>
    fc
      .array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: keys.length, maxLength: keys.length })
      .map((values) =>
        keys.map(([name, index], i) => ({ path: `${name}/${name} ${index}.png`, distance: values[i]! })),
      ),
  );

describe('filtering', () => {
  it('leaves what a plain reference leaves', () => {
    fc.assert(
      fc.property(
        table,
        fc.integer({ min: 0, max: 100 }),
        fc.nat({ max: 4 }),
        (rows, percentile, minimum) => {
          const names = [...new Set(rows.map(({ path }) => path.split('/')[0]!))].sort();
          const classes = names.map((name) => ({
            name,
            images: [
              ...rows.filter(({ path }) => path.startsWith(`${name}/`)).map(({ path }) => ({ path })),
              { path: `${name}/not listed.png` },
            ],
          }));
          const leftOut = imagesToLeaveOut(
            rows.map(({ path, distance }) => ({ path: `/somewhere/else/${path}`, distance })),
            percentile,
          );
          const threshold = naiveThreshold(
            rows.map(({ distance }) => distance),
            percentile,
          );
          const near = rows.every(({ distance }) => Math.abs(distance - threshold) > 1e-9);
          fc.pre(near);
          const expected = classes
            .map(({ name, images }) => ({
              name,
              images: images.filter(({ path }) => {
                const row = rows.find((candidate) => candidate.path === path);
                return row === undefined || row.distance < threshold;
              }),
            }))
            .filter(({ name, images }) => {
              const isTouched = rows.some(
                ({ path, distance }) => path.startsWith(`${name}/`) && distance >= threshold,
              );
              return !isTouched || images.length >= minimum;
            });
          expect(filterClasses(classes, leftOut, minimum)).toEqual(expected);
        },
      ),
    );
  });

  it('keeps a small class that loses no image, as the original does', () => {
    const classOf = (name: string, count: number) => ({
      name,
      images: Array.from({ length: count }, (_, index) => ({ path: `${name}/${index}.png` })),
    });
    const classes = [classOf('Small', 1), classOf('Large', 5), classOf('Losing', 3)];
    const leftOut = new Set(['Large/0.png', 'Losing/0.png']);
    expect(filterClasses(classes, leftOut, 3).map(({ name, images }) => [name, images.length])).toEqual([
      ['Small', 1],
      ['Large', 4],
    ]);
  });

  it('leaves no class without images', () => {
    const classes = [{ name: 'A', images: [{ path: 'A/1.png' }] }];
    expect(filterClasses(classes, new Set(['A/1.png']), 0)).toEqual([]);
  });
});

describe('the table as text', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(table, (rows) => {
        expect(parseDistanceTable(formatDistanceTable(rows))).toEqual(rows);
      }),
    );
  });

  it('may have commas, spaces, quotes, a header, comments, and no index', () => {
    const text =
      '# made by hand\r\npath,distance,class_index\r\n"/a b/Ann/1,2.png",0.5,0\r\nBob/Bob 0001.jpg 1e-1 1\r\nBob/3.png\t.25\r\n';
    expect(parseDistanceTable(text)).toEqual([
      { path: '/a b/Ann/1,2.png', distance: 0.5 },
      { path: 'Bob/Bob 0001.jpg', distance: 0.1 },
      { path: 'Bob/3.png', distance: 0.25 },
    ]);
  });

  it.each(['Ann/1.png', 'Ann/1.png far 3', '1.png 0.5 3', '0.5', 'Ann/1.png 1.2.3 4'])(
    'names the line of "%s"',
    (line) => {
      const parse = (): unknown => parseDistanceTable(`Ann/0.png 0.1 0\n${line}\n`);
      expect(parse).toThrow(DistanceTableError);
      expect(parse).toThrow(/^Line 2 /);
    },
  );

  it('never fails in another way, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'a/.1 \t,"\n#e-') }), (text) => {
        try {
          for (const { path, distance } of parseDistanceTable(text)) {
            expect(imageKey(path)).toBeDefined();
            expect(Number.isFinite(distance)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DistanceTableError);
        }
      }),
    );
  });
});

describe('the table as the original’s HDF5 file', () => {
  async function hdf5(paths: string[], values: number[]): Promise<Blob> {
    const { h5wasm, ready } = await import('h5wasm');
    const { FS } = await ready;
    const file = new h5wasm.File('/table.h5', 'w');
    file.create_dataset({ name: 'class_names', data: ['Ann', 'Bob'] });
    file.create_dataset({ name: 'image_list', data: paths });
    file.create_dataset({ name: 'label_list', data: new Int32Array([0, 0, 1]) });
    file.create_dataset({ name: 'distance_to_center', data: new Float32Array(values) });
    file.flush();
    file.close();
    const bytes = FS.readFile('/table.h5') as Uint8Array<ArrayBuffer>;
    FS.unlink('/table.h5');
    return new Blob([bytes]);
  }
  const paths = ['/data/Ann/1.png', '/data/Ann/2.png', '/data/Bob/1.png'];

  it('is read', async () => {
    expect(await readDistanceTable(await hdf5(paths, [0.25, 0.5, 0.75]))).toEqual([
      { path: '/data/Ann/1.png', distance: 0.25 },
      { path: '/data/Ann/2.png', distance: 0.5 },
      { path: '/data/Bob/1.png', distance: 0.75 },
    ]);
  });

  it('is refused if it is incomplete, damaged or not a distance table', async () => {
    await expect(readDistanceTable(await hdf5(paths, [0.25, 0.5]))).rejects.toThrow(
      /3 images and 2 distances/,
    );
    await expect(readDistanceTable(await hdf5(paths, [0.25, NaN, 1]))).rejects.toThrow(/Image 2 .*NaN/);
    const whole = await hdf5(paths, [0.25, 0.5, 0.75]);
    await expect(readDistanceTable(whole.slice(0, 200))).rejects.toThrow(/cut off or damaged/);
    const { writeHdf5 } = await import('../../../workers/formats/hdf5.ts');
    const other = new Blob([await writeHdf5(new Map([['loss', { data: new Float32Array(3) }]]))]);
    await expect(readDistanceTable(other)).rejects.toThrow(/no dataset "image_list"; it has loss/);
  });
});

describe('measuring the distances', () => {
  it('gives each image’s distance to the mean of its class, batches across classes', async () => {
    const directory = new MemoryDirectory('photos');
    const values: Record<string, [number, number]> = {
      'A/1.png': [1, 0],
      'A/2.png': [0, 1],
      'A/3.png': [-1, 2],
      'B/1.png': [3, 4],
      'C/1.png': [0, 0],
      'C/bad.png': [9, 9],
      'C/2.png': [6, 8],
    };
    const classes = ['A', 'B', 'C'].map((name) => ({
      name,
      images: Object.keys(values)
        .filter((path) => path.startsWith(name))
        .map((path) => ({ path, directory })),
    }));
    const unreadable: string[] = [];
    const counts: number[] = [];
    const rows = await computeClassDistances(
      classes,
      // The first pixels of an image give its embedding, and the crop is the whole image.
      async ({ count, pixels }) => {
        counts.push(count);
        return Float32Array.from({ length: 2 * count }, (_, i) => pixels[(i >> 1) * 12 + (i % 2)]! - 10);
      },
      { batchSize: 2, imageSize: 2 },
      new JobControl(),
      (error) => unreadable.push(error.message),
      undefined,
      async ({ path }) => {
        if (path === 'C/bad.png') throw new UnreadableImageError(path, 'damaged');
        const data = new Uint8Array(12);
        values[path]!.forEach((value, i) => (data[i] = value + 10));
        return { width: 2, height: 2, data };
      },
    );
    expect(rows.map(({ path }) => path)).toEqual(Object.keys(values).filter((path) => !path.includes('bad')));
    // The centres are (0, 1), (3, 4) and, without the unreadable one, (3, 4).
    const expected = [Math.SQRT2, 0, Math.SQRT2, 0, 5, 5];
    rows.forEach(({ distance }, i) => expect(distance).toBeCloseTo(expected[i]!, 6));
    expect(unreadable).toHaveLength(1);
    expect(counts).toEqual([2, 2, 1, 1]);
  });
});

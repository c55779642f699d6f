/**
 * `npm run bench -- large_photos`: photos of 1 to 200 megapixels with eight small heads each: landscape, portrait, and
 * rotated by EXIF. For each photo: how many of its faces are found, how much their crops differ from Pillow's at full
 * size, and the peak memory of the browser's process.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { createServer } from 'vite';
import { DEFAULT_ALIGN_OPTIONS } from '../../workers/protocol/align/align.ts';
import type { BackendName } from '../../workers/protocol/device.ts';
import { chromiumArguments } from '../../scripts/setup/chromium.mjs';
import { ensureChromium } from '../../scripts/setup/ensure_chromium.mjs';
import { isolationHeaders } from '../../scripts/build/isolation_headers.mjs';
import { serveWeights } from '../../scripts/build/serve_weights.ts';
import {
  HEAD_PX,
  headPlace,
  HEADS,
  type LargePhoto,
  type LargePhotoResult,
  type LargePhotosPage,
} from './large_photos.ts';
import type { Benchmark } from '../run_benchmarks.ts';

const MEGAPIXELS = [1, 4, 12, 16.1, 24, 50, 100, 200];
const SHAPES = ['landscape', 'portrait', 'exif'] as const;
type Shape = (typeof SHAPES)[number];

/** Crops of photos up to this size must be within LARGEST_DIFFERENCE grey levels of Pillow's. */
const EXACT_MEGAPIXELS = 50;
const LARGEST_DIFFERENCE = 2;

export interface LargePhotoRow {
  readonly megapixels: number;
  readonly shape: Shape;
  readonly width: number;
  readonly height: number;
  readonly backend: BackendName;
  readonly faces: number;
  /** The mean difference from Pillow's crop, grey levels, for the crop that differs most. */
  readonly worstMeanDifference?: number | undefined;
  /** Peak memory of the process of the page and its workers; on Linux. */
  readonly peakBytes?: number | undefined;
  /** Memory of the same process before the photo. */
  readonly idleBytes?: number | undefined;
  readonly seconds: number;
  readonly failure?: string | undefined;
}

export const largePhotosBenchmark: Benchmark = {
  description:
    'photos of 1 to 200 megapixels: faces found, crops compared with Pillow’s at full size, peak memory',
  flags: {
    megapixels: { type: 'string', help: `a list of sizes (default ${MEGAPIXELS.join(',')})` },
    shapes: { type: 'string', help: `a list of ${SHAPES.join(', ')} (default: all)` },
    backend: { type: 'string', help: 'wasm or webgpu (default wasm)' },
    minsize: { type: 'string', help: `the smallest face, pixels (default ${DEFAULT_ALIGN_OPTIONS.minsize})` },
    software: { type: 'boolean', help: 'use the software adapter even if there is a GPU' },
  },
  async run({ flags, onMessage }) {
    const sizes = listOf(flags.megapixels, MEGAPIXELS.map(String)).map(Number);
    if (sizes.some((size) => !(size >= 1 && size <= 200)))
      throw new Error('--megapixels takes numbers from 1 to 200, with commas between them.');
    const shapes = listOf(flags.shapes, SHAPES) as Shape[];
    const unknown = shapes.find((shape) => !SHAPES.includes(shape));
    if (unknown !== undefined) throw new Error(`--shapes takes ${SHAPES.join(', ')}, not ${unknown}.`);
    const backend = flags.backend ?? 'wasm';
    if (backend !== 'webgpu' && backend !== 'wasm')
      throw new Error(`--backend is webgpu or wasm, not ${String(backend)}.`);
    const minsize = Number(flags.minsize ?? DEFAULT_ALIGN_OPTIONS.minsize);
    if (!Number.isInteger(minsize) || minsize < 12)
      throw new Error('--minsize is a whole number from 12 on.');
    const rows: LargePhotoRow[] = [];
    for (const megapixels of sizes)
      for (const shape of shapes) {
        rows.push(
          await measure({ megapixels, shape, backend, minsize, isSoftware: flags.software === true }),
        );
        onMessage(describe(rows.at(-1)!));
      }
    const missed = rows.filter(
      ({ megapixels, faces, worstMeanDifference = 0 }) =>
        faces !== HEADS || (megapixels <= EXACT_MEGAPIXELS && worstMeanDifference > LARGEST_DIFFERENCE),
    );
    return {
      report: rows,
      lines: [
        'megapixels, shape, size: faces, difference from Pillow, peak memory, time',
        ...rows.map(describe),
      ],
      failure: missed.length > 0 ? `Not as it should be: ${missed.map(describe).join('; ')}` : undefined,
    };
  },
};

function listOf(value: string | boolean | undefined, fallback: readonly string[]): string[] {
  return typeof value === 'string' ? value.split(',') : [...fallback];
}

interface Case {
  readonly megapixels: number;
  readonly shape: Shape;
  readonly backend: BackendName;
  readonly minsize: number;
  readonly isSoftware: boolean;
}

async function measure({ megapixels, shape, backend, minsize, isSoftware }: Case): Promise<LargePhotoRow> {
  // The sides have a ratio of three to two.
  const long = Math.floor(Math.sqrt(megapixels * 1.5e6));
  const short = Math.floor((megapixels * 1e6) / long);
  const photo: LargePhoto =
    shape === 'portrait'
      ? { width: short, height: long, orientation: 1 }
      : { width: long, height: short, orientation: shape === 'exif' ? 6 : 1 };
  const folder = mkdtempSync(join(tmpdir(), 'facenet-large-photos-'));
  const path = join(folder, 'photo.jpg');
  try {
    // In a separate browser, because the canvas is as large as the photo.
    await withPage(isSoftware, path, async (page) => {
      const base64 = await page.evaluate(
        (given) => (globalThis as unknown as LargePhotosPage).largePhotos.make(given),
        photo,
      );
      writeFileSync(path, Buffer.from(base64, 'base64'));
    });
    const { result, idleBytes, peakBytes } = await withPage(isSoftware, path, async (page, browser) => {
      const idle = await peakOf(browser);
      const request = { url: '/bench-large-photo', backend, minsize, imageSize: 160, margin: 32 };
      const aligned = await page.evaluate(
        (given) => (globalThis as unknown as LargePhotosPage).largePhotos.align(given),
        request,
      );
      return { result: aligned, idleBytes: idle, peakBytes: await peakOf(browser) };
    });
    return {
      ...{ megapixels, shape, backend, width: photo.width, height: photo.height },
      faces: facesInPlace(photo, result),
      worstMeanDifference: await differenceFromPillow(path, 160, result),
      ...{ idleBytes, peakBytes, seconds: result.durationMs / 1000, failure: result.failure },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Number of heads with exactly one crop about their middle, minus the number of crops elsewhere. */
function facesInPlace(photo: LargePhoto, { width, height, faces }: LargePhotoResult): number {
  if (width !== photo.width || height !== photo.height) return 0;
  const middles = faces.map(({ box }) => [(box[0]! + box[2]!) / 2, (box[1]! + box[3]!) / 2] as const);
  const inHead = (index: number): number => {
    const [left, top] = headPlace(photo, index);
    return middles.filter(([x, y]) => x > left && x < left + HEAD_PX && y > top && y < top + HEAD_PX).length;
  };
  const found = Array.from({ length: HEADS }, (_, index) => inHead(index));
  const elsewhere = faces.length - found.reduce((sum, count) => sum + count, 0);
  return found.filter((count) => count === 1).length - elsewhere;
}

/** @returns undefined without Python, Pillow or NumPy */
async function differenceFromPillow(
  path: string,
  size: number,
  { faces }: LargePhotoResult,
): Promise<number | undefined> {
  const script = fileURLToPath(new URL('large_photos_reference.py', import.meta.url));
  for (const python of [process.env.PYTHON, 'python3', '/usr/bin/python3']) {
    if (python === undefined) continue;
    const child = spawn(python, [script, path, String(size)], { stdio: ['pipe', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    child.stdin.on('error', () => undefined);
    child.stdin.end(faces.map((face) => JSON.stringify(face)).join('\n'));
    const code = await new Promise((resolve) => {
      child.on('error', () => resolve(undefined));
      child.on('close', resolve);
    });
    if (code === 0) return (JSON.parse(output) as { worstMeanDifference: number }).worstMeanDifference;
  }
  return undefined;
}

/** The peak memory of the largest page process of the browser so far; undefined on systems other than Linux. */
async function peakOf(browser: Browser): Promise<number | undefined> {
  const devTools = await browser.newBrowserCDPSession();
  const { processInfo } = await devTools.send('SystemInfo.getProcessInfo');
  const peaks = processInfo.flatMap(({ type, id }) => {
    const status = `/proc/${id}/status`;
    if (type !== 'renderer' || !existsSync(status)) return [];
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1];
    return kilobytes === undefined ? [] : [1024 * Number(kilobytes)];
  });
  return peaks.length > 0 ? Math.max(...peaks) : undefined;
}

async function withPage<Value>(
  isSoftware: boolean,
  photoPath: string,
  work: (page: Page, browser: Browser) => Promise<Value>,
): Promise<Value> {
  const server = await createServer({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    plugins: [serveWeights()],
    server: { port: 0, headers: isolationHeaders, hmr: false },
    optimizeDeps: {
      include: [
        '@tensorflow/tfjs-core',
        '@tensorflow/tfjs-backend-cpu',
        '@tensorflow/tfjs-backend-wasm',
        '@tensorflow/tfjs-backend-webgpu',
        'client-zip',
        'comlink',
      ],
    },
    worker: { format: 'es' },
  });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArguments({ software: isSoftware }),
  });
  try {
    await server.listen();
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.route(/\/bench-large-photo$/, (route) => route.fulfill({ path: photoPath }));
    await page.goto(`${server.resolvedUrls!.local[0]}bench/large_photos/large_photos_page.html`);
    await page.waitForFunction(() => 'largePhotos' in globalThis);
    return await work(page, browser);
  } finally {
    await browser.close();
    await server.close();
  }
}

function describe(row: LargePhotoRow): string {
  const { megapixels, shape, width, height, faces, worstMeanDifference, peakBytes, idleBytes, seconds } = row;
  const difference =
    worstMeanDifference === undefined ? 'no Pillow' : `${worstMeanDifference.toFixed(2)} grey levels`;
  const megabytes = (bytes: number | undefined): string =>
    bytes === undefined ? '?' : (bytes / 1e6).toFixed(0);
  const memory = `${megabytes(peakBytes)} MB (idle ${megabytes(idleBytes)})`;
  const failure = row.failure === undefined ? '' : `, ${row.failure}`;
  return `${megapixels} MP ${shape}, ${width} × ${height}: ${faces} of ${HEADS} faces, ${difference}, ${memory}, ${seconds.toFixed(1)} s${failure}`;
}

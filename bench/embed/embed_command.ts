/** `npm run bench -- embed`: embeddings per second, compared with stock TensorFlow.js and onnxruntime-web. */
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { chromiumArguments } from '../../scripts/setup/chromium.mjs';
import { ensureChromium } from '../../scripts/setup/ensure_chromium.mjs';
import { isolationHeaders } from '../../scripts/build/isolation_headers.mjs';
import {
  DEFAULT_EMBED_BENCH,
  PROGRAMS,
  type EmbedBenchOptions,
  type EmbedBenchReport,
} from './embed_bench.ts';
import type { EmbedBenchPage } from './embed_page.ts';
import type { Benchmark } from '../run_benchmarks.ts';

const ORT_FOLDER = 'node_modules/onnxruntime-web/dist/';

export const embedBenchmark: Benchmark = {
  description:
    'embeddings per second, compared with stock tfjs and onnxruntime-web, on WebGPU and WebAssembly',
  flags: {
    batch: { type: 'string', help: `images per batch (default ${DEFAULT_EMBED_BENCH.batch})` },
    image_size: { type: 'string', help: `pixels (default ${DEFAULT_EMBED_BENCH.imageSize})` },
    repetitions: { type: 'string', help: `measured batches (default ${DEFAULT_EMBED_BENCH.repetitions})` },
    model_def: { type: 'string', help: `the network (default ${DEFAULT_EMBED_BENCH.model})` },
    programs: {
      type: 'string',
      help: `which, separated by commas (default all: ${Object.keys(PROGRAMS).join(', ')})`,
    },
    software: { type: 'boolean', help: 'use the software adapter even if there is a GPU' },
  },
  async run({ flags, onMessage }) {
    const whole = (flag: string, fallback: number): number => {
      const text = flags[flag];
      const value = text === undefined ? fallback : Number(text);
      if (!Number.isInteger(value) || value < 1) throw new Error(`--${flag} must be a whole number above 0.`);
      return value;
    };
    const programs =
      typeof flags.programs === 'string' ? flags.programs.split(',') : DEFAULT_EMBED_BENCH.programs;
    const unknown = programs.find((program) => !Object.hasOwn(PROGRAMS, program));
    if (unknown !== undefined)
      throw new Error(`There is no program "${unknown}". Programs: ${Object.keys(PROGRAMS).join(', ')}.`);
    const options: EmbedBenchOptions = {
      ...DEFAULT_EMBED_BENCH,
      batch: whole('batch', DEFAULT_EMBED_BENCH.batch),
      imageSize: whole('image_size', DEFAULT_EMBED_BENCH.imageSize),
      repetitions: whole('repetitions', DEFAULT_EMBED_BENCH.repetitions),
      model: String(flags.model_def ?? DEFAULT_EMBED_BENCH.model),
      programs,
    };
    const report = await inChromium(options, flags.software === true, onMessage);
    return { report, lines: describe(report) };
  },
};

async function inChromium(
  options: EmbedBenchOptions,
  software: boolean,
  onMessage: (message: string) => void,
): Promise<EmbedBenchReport> {
  const server = await createServer({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    server: { port: 0, headers: isolationHeaders, hmr: false },
    // Bundled before the page opens. A dependency that Vite finds later would reload it in the middle of a measurement.
    optimizeDeps: {
      include: [
        '@tensorflow/tfjs',
        '@tensorflow/tfjs-core',
        '@tensorflow/tfjs-converter',
        '@tensorflow/tfjs-backend-wasm',
        '@tensorflow/tfjs-backend-webgpu',
        'valibot',
      ],
      exclude: ['onnxruntime-web'],
    },
  });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArguments({ software }),
  });
  try {
    await server.listen();
    const address = server.resolvedUrls!.local[0]!;
    const page = await browser.newPage();
    page.on('console', (message) => onMessage(message.text()));
    page.on('pageerror', (error) => onMessage(String(error)));
    await page.goto(`${address}bench/embed/embed_page.html`);
    await page.waitForFunction(() => 'embedBench' in globalThis);
    return await page.evaluate(
      ([given, wasmFolder]) => (globalThis as unknown as EmbedBenchPage).embedBench(given, wasmFolder),
      [options, address + ORT_FOLDER] as const,
    );
  } finally {
    await browser.close();
    await server.close();
  }
}

function describe({
  adapter,
  threads,
  batch,
  imageSize,
  model,
  programs,
  failures,
}: EmbedBenchReport): string[] {
  return [
    `Adapter         ${adapter}; ${threads} processors`,
    `Network         ${model}, batches of ${batch} × ${imageSize} pixels`,
    '',
    'program                                        ready, s   batch, ms   embeddings/s   cosine with the first',
    ...programs.map(({ title, readyMs, batchMs, embeddingsPerSecond, smallestCosine }) =>
      [
        title.padEnd(46),
        (readyMs / 1000).toFixed(1).padStart(8),
        batchMs.toFixed(0).padStart(11),
        embeddingsPerSecond.toFixed(2).padStart(14),
        smallestCosine.toFixed(8).padStart(23),
      ].join(' '),
    ),
    ...failures.map(({ program, message }) => `${program}: ${message}`),
  ];
}

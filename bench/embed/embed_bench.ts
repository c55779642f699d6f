/**
 * Embeddings per second: the engine compared with the programs for which there are exports, with the same weights and
 * images, on the same adapter, in one page. Each program reads its export, and all must give the same embeddings.
 */
import type { InferenceSession } from 'onnxruntime-web';
import { createEngineExecutor } from '../../workers/compute/engine/executor.ts';
import { hashedPixels } from '../../workers/compute/graph/hashed_tensors.ts';
import { initializeParameters } from '../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../workers/compute/graph/models/index.ts';
import { openEmbedder } from '../../workers/jobs/embedder.ts';
import { modelFiles } from '../../workers/models/export_files.ts';
import type { LoadedModel } from '../../workers/models/loaded_model.ts';
import { TfjsExecutor } from '../../workers/compute/tfjs/executor.ts';
import { centredTransforms, prepareImages } from '../../workers/compute/step/augmentation.ts';
import { embeddersFrom, type EmbedderFactory, type ImageBatch } from '../../workers/compute/executor.ts';

export interface EmbedBenchOptions {
  readonly model: string;
  readonly embeddingSize: number;
  readonly batch: number;
  readonly imageSize: number;
  /** Number of measured batches. One more batch before them does not count. */
  readonly repetitions: number;
  /** Programs to run, by their keys in PROGRAMS. */
  readonly programs: readonly string[];
}

export const PROGRAMS = {
  engine: 'this program’s engine, WebGPU',
  'tfjs-webgpu': 'TensorFlow.js graph model, WebGPU',
  'onnx-webgpu': 'onnxruntime-web, WebGPU',
  'own-wasm': 'this program on TensorFlow.js, WebAssembly',
  'tfjs-wasm': 'TensorFlow.js graph model, WebAssembly',
  'onnx-wasm': 'onnxruntime-web, WebAssembly',
} as const;
export type ProgramName = keyof typeof PROGRAMS;

export const DEFAULT_EMBED_BENCH: EmbedBenchOptions = {
  model: 'inception_resnet_v1',
  embeddingSize: 512,
  batch: 8,
  imageSize: 80,
  repetitions: 3,
  programs: Object.keys(PROGRAMS),
};

export interface ProgramFigures {
  readonly program: ProgramName;
  readonly title: string;
  /** The time from reading the files to the end of the first batch. */
  readonly readyMs: number;
  readonly batchMs: number;
  readonly embeddingsPerSecond: number;
  /** The smallest cosine between these embeddings and those of the first program. */
  readonly smallestCosine: number;
}

export interface EmbedBenchReport extends Omit<EmbedBenchOptions, 'programs'> {
  readonly adapter: string;
  readonly threads: number;
  readonly programs: readonly ProgramFigures[];
  /** Why a program gave no figures. */
  readonly failures: readonly { readonly program: string; readonly message: string }[];
}

interface Runner {
  embed(): Promise<Float32Array>;
  dispose(): Promise<void> | void;
}

interface Work {
  readonly model: LoadedModel;
  readonly batch: ImageBatch;
  /** Standardised images for the exports, [N, S, S, 3]. The engine gets the pixels and standardises them itself. */
  readonly images: Float32Array;
}

/** @param wasmFolder the address of onnxruntime-web's WebAssembly files */
export async function benchEmbed(
  options: EmbedBenchOptions,
  wasmFolder: string,
  onMessage: (message: string) => void,
): Promise<EmbedBenchReport> {
  const { batch: count, imageSize } = options;
  const graph = buildModel(options.model, { embeddingSize: options.embeddingSize, classes: 0 });
  const model: LoadedModel = {
    name: 'bench',
    graph,
    parameters: initializeParameters(graph, 1),
    imageSize,
    useFixedImageStandardization: true,
  };
  const batch: ImageBatch = {
    count,
    height: imageSize,
    width: imageSize,
    pixels: hashedPixels(count, imageSize, 1),
    transforms: centredTransforms(count, { width: imageSize, height: imageSize }, imageSize),
  };
  const work: Work = { model, batch, images: prepareImages(batch, imageSize, true) };
  const starters: Record<ProgramName, () => Promise<Runner>> = {
    engine: () =>
      startOwn(
        work,
        embeddersFrom((settings) => createEngineExecutor(settings)),
      ),
    'tfjs-webgpu': () => startTfjs(work, 'webgpu'),
    'onnx-webgpu': () => startOnnx(work, 'webgpu', wasmFolder),
    'own-wasm': async () => {
      await chooseTfjs('wasm');
      return startOwn(
        work,
        embeddersFrom(async (settings) => new TfjsExecutor(settings, 'wasm')),
      );
    },
    'tfjs-wasm': () => startTfjs(work, 'wasm'),
    'onnx-wasm': () => startOnnx(work, 'wasm', wasmFolder),
  };
  const programs: ProgramFigures[] = [];
  const failures: { program: string; message: string }[] = [];
  let reference: Float32Array | undefined;
  for (const program of options.programs as readonly ProgramName[]) {
    const title = PROGRAMS[program];
    try {
      const { embeddings, ...figures } = await measure(starters[program], options);
      reference ??= embeddings;
      programs.push({
        ...{ program, title, ...figures },
        embeddingsPerSecond: (1000 * count) / figures.batchMs,
        smallestCosine: smallestCosine(reference, embeddings, options.embeddingSize),
      });
      onMessage(`${title}: ${((1000 * count) / figures.batchMs).toFixed(2)} embeddings/s`);
    } catch (error) {
      failures.push({ program, message: error instanceof Error ? error.message : String(error) });
      onMessage(`${title}: ${String(error)}`);
    }
  }
  return {
    ...options,
    adapter: await adapterName(),
    threads: navigator.hardwareConcurrency,
    programs,
    failures,
  };
}

async function measure(
  start: () => Promise<Runner>,
  { repetitions }: EmbedBenchOptions,
): Promise<{ readyMs: number; batchMs: number; embeddings: Float32Array }> {
  const startedAt = performance.now();
  const runner = await start();
  try {
    const embeddings = (await runner.embed()).slice();
    const readyMs = performance.now() - startedAt;
    const begunAt = performance.now();
    for (let repetition = 0; repetition < repetitions; repetition++) await runner.embed();
    return { readyMs, batchMs: (performance.now() - begunAt) / repetitions, embeddings };
  } finally {
    await runner.dispose();
  }
}

async function startOwn({ model, batch }: Work, create: EmbedderFactory): Promise<Runner> {
  const executor = await openEmbedder(
    model,
    { batchSize: batch.count, useFixedImageStandardization: true },
    create,
  );
  return { embed: () => executor.embed(batch), dispose: () => executor.dispose() };
}

async function chooseTfjs(backend: 'webgpu' | 'wasm'): Promise<typeof import('@tensorflow/tfjs')> {
  const tf = await import('@tensorflow/tfjs');
  if (backend === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  else {
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    setWasmPaths('/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
  }
  if (!(await tf.setBackend(backend)))
    throw new Error(`TensorFlow.js could not start its backend ${backend}.`);
  await tf.ready();
  return tf;
}

async function startTfjs({ model, batch, images }: Work, backend: 'webgpu' | 'wasm'): Promise<Runner> {
  const tf = await chooseTfjs(backend);
  const files = modelFiles(model, { format: 'tfjs' }).map(({ path, content }) => new File([content], path));
  files.sort((a, b) => Number(b.name === 'model.json') - Number(a.name === 'model.json'));
  const graphModel = await tf.loadGraphModel(tf.io.browserFiles(files));
  const { count, height, width } = batch;
  return {
    async embed() {
      const input = tf.tensor4d(images, [count, height, width, 3]);
      const output = graphModel.predict(input) as import('@tensorflow/tfjs').Tensor;
      const values = (await output.data()) as Float32Array;
      tf.dispose([input, output]);
      return values;
    },
    dispose: () => graphModel.dispose(),
  };
}

async function startOnnx(
  { model, batch, images }: Work,
  provider: 'webgpu' | 'wasm',
  wasmFolder: string,
): Promise<Runner> {
  const ort =
    provider === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
  ort.env.wasm.wasmPaths = wasmFolder;
  ort.env.wasm.numThreads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  // onnxruntime computes in NCHW, so this is its best case.
  const [file] = modelFiles(model, { format: 'onnx', inputLayout: 'nchw' });
  const bytes = new Uint8Array(await file!.content.arrayBuffer());
  const session: InferenceSession = await ort.InferenceSession.create(bytes, {
    executionProviders: [provider],
    logSeverityLevel: 3,
  });
  const { count, height, width } = batch;
  const input = new ort.Tensor('float32', toNchw(images, height * width), [count, 3, height, width]);
  return {
    async embed() {
      const { embeddings } = await session.run({ input });
      return embeddings!.data as Float32Array;
    },
    dispose: () => session.release(),
  };
}

function toNchw(images: Float32Array, area: number): Float32Array {
  return Float32Array.from(images, (_, index) => {
    const [image, rest] = [Math.floor(index / (3 * area)), index % (3 * area)];
    return images[image * 3 * area + (rest % area) * 3 + Math.floor(rest / area)]!;
  });
}

function smallestCosine(a: Float32Array, b: Float32Array, dimension: number): number {
  let smallest = a.length === b.length ? 1 : NaN;
  for (let start = 0; start < a.length; start += dimension) {
    let [dot, squaresA, squaresB] = [0, 0, 0];
    for (let i = start; i < start + dimension; i++) {
      dot += a[i]! * b[i]!;
      squaresA += a[i]! ** 2;
      squaresB += b[i]! ** 2;
    }
    smallest = Math.min(smallest, dot / Math.sqrt(squaresA * squaresB));
  }
  return smallest;
}

async function adapterName(): Promise<string> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return 'none';
  const { vendor, architecture, device, description } = adapter.info;
  return [description || [vendor, architecture, device].filter(Boolean).join(' ')]
    .concat(adapter.info.isFallbackAdapter ? ['(software)'] : [])
    .join(' ');
}

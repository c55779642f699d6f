/** The functions that the alignment benchmark's page offers to align_chromium.ts. */
import { proxy, wrap } from 'comlink';
import { JobControl } from '../../workers/protocol/job_control.ts';
import '../../workers/rpc/job_control_transfer.ts';
import {
  DEFAULT_ALIGN_OPTIONS,
  type AlignEvent,
  type AlignOptions,
  type AlignSummary,
  type AlignWorkerApi,
  type DetectionRecord,
} from '../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { BackendName } from '../../workers/protocol/device.ts';
import {
  LARGE_PHOTOS,
  SMALL_PHOTOS,
  type AlignBenchOptions,
  type AlignBenchReport,
  type MemoryMark,
  type MemoryReport,
  type MemorySettings,
  type PhotoSet,
  type Rates,
  type SetReport,
} from './align_bench.ts';
import { makePhotos } from './align_photos.ts';
import type { Peer } from './align_peer.ts';

export interface AlignBenchPage {
  alignBench: {
    rates(options: AlignBenchOptions): Promise<AlignBenchReport>;
    memory(settings: MemorySettings): Promise<MemoryReport>;
  };
}

const OUTPUT = 'bench-align';
const WARM_UP_PHOTOS = 4;
const MEMORY_SIZES = 50;

interface MemoryPerformance extends Performance {
  /** https://wicg.github.io/performance-measure-memory/ */
  measureUserAgentSpecificMemory(): Promise<{ bytes: number }>;
}

const worker = wrap<AlignWorkerApi>(
  new Worker(new URL('../../workers/align.worker.ts', import.meta.url), { type: 'module' }),
);

async function clearOutput(): Promise<void> {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(OUTPUT, { recursive: true }).catch(() => undefined);
}

/** CPU time of all browser processes. align_chromium.ts provides this function. */
declare function processorSeconds(): Promise<number>;

/** One folder for each person, one person for every twenty photos. */
function folderOf(files: readonly File[]): DirectoryReference {
  return {
    kind: 'files',
    name: 'photos',
    files: files.map((file, index) => ({
      path: `person ${Math.floor(index / 20)}/${String(index).padStart(5, '0')}.jpg`,
      file,
    })),
  };
}

/** Timed from the moment the detector is ready, so that the rate is that of a long job. */
async function align(
  files: readonly File[],
  options: Partial<AlignOptions>,
  backend: BackendName | undefined,
  onEvent: (event: AlignEvent) => void = () => undefined,
  control = new JobControl(),
): Promise<AlignSummary & { runMs: number; device: string }> {
  await clearOutput();
  let startedAt = performance.now();
  let device = '';
  const summary = await worker.align(
    {
      input: [folderOf(files)],
      output: { kind: 'directory', directory: { kind: 'private', path: OUTPUT } },
      options: { ...DEFAULT_ALIGN_OPTIONS, ...options },
      backend,
    },
    control,
    proxy((event: AlignEvent) => {
      if (event.kind === 'started') {
        startedAt = performance.now();
        device = event.device;
      }
      onEvent(event);
    }),
  );
  return { ...summary, runMs: performance.now() - startedAt, device };
}

/** Detection on the same photos, timed from the call on. Nothing is cut out or written. */
async function detect(
  files: readonly File[],
  minsize: number,
  backend: BackendName | undefined,
): Promise<{ runMs: number; detected: number }> {
  const startedAt = performance.now();
  let detected = 0;
  await worker.detect(
    [folderOf(files)],
    { ...DEFAULT_ALIGN_OPTIONS, minsize },
    backend,
    new JobControl(),
    proxy((record: DetectionRecord) => {
      if (record.faces.length > 0) detected++;
    }),
  );
  return { runMs: performance.now() - startedAt, detected };
}

async function measureSet(
  set: PhotoSet,
  count: number,
  options: AlignBenchOptions,
  peer: Peer | undefined,
): Promise<{ report: SetReport; device: string }> {
  const files = await makePhotos(set, count, options.photos);
  const { minsize, backend } = options;
  await align(files.slice(0, WARM_UP_PHOTOS), { minsize }, backend);
  const choice = await peer?.choose(files[0]!);
  await untilQuiet();
  const own = new Rounds(count);
  const ownDetection = new Rounds(count);
  const other = new Rounds(count);
  const peerTotals = { decodeMs: 0, detectMs: 0, detected: 0 };
  let last: (AlignSummary & { device: string }) | undefined;
  let detected = 0;
  // The programs alternate, so that both run under the same load.
  for (let round = 0; round < options.rounds; round++) {
    last = await own.measure(() => align(files, { minsize }, backend));
    ({ detected } = await ownDetection.measure(() => detect(files, minsize, backend)));
    if (peer) {
      const totals = await other.measure(() => peer.measure(choice!.backend, files));
      peerTotals.decodeMs += totals.decodeMs;
      peerTotals.detectMs += totals.detectMs;
      peerTotals.detected = totals.detected;
    }
    console.log(`${set.width} × ${set.height}: ${own.rates.at(-1)!.toFixed(2)} photos/s`);
  }
  const speedup = (rates: readonly number[]): number =>
    median(rates.map((rate, round) => rate / other.rates[round]!));
  return {
    report: {
      ...set,
      count,
      own: { ...own.figures, aligned: last!.successfullyAligned, times: last!.times },
      ownDetection: { ...ownDetection.figures, detected },
      peer: peer && { ...choice!, ...other.figures, ...peerTotals },
      speedup: peer && speedup(own.rates),
      detectionSpeedup: peer && speedup(ownDetection.rates),
    },
    device: last!.device,
  };
}

/** The backends that were tried may still compile or draw in the GPU process. No round should include that work. */
async function untilQuiet(): Promise<void> {
  for (let second = 0; second < 60; second++) {
    const before = await processorSeconds();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if ((await processorSeconds()) - before < 0.1) return;
  }
}

class Rounds {
  /** Photos per second. */
  readonly rates: number[] = [];
  readonly #count: number;
  #processorSeconds = 0;

  constructor(count: number) {
    this.#count = count;
  }

  async measure<Result extends { runMs: number } | { decodeMs: number; detectMs: number }>(
    work: () => Promise<Result>,
  ): Promise<Result> {
    const before = await processorSeconds();
    const result = await work();
    this.#processorSeconds += (await processorSeconds()) - before;
    const milliseconds = 'runMs' in result ? result.runMs : result.decodeMs + result.detectMs;
    this.rates.push((1000 * this.#count) / milliseconds);
    return result;
  }

  get figures(): Rates {
    return {
      photosPerSecond: median(this.rates),
      rounds: this.rates,
      processorMsPerPhoto: (1000 * this.#processorSeconds) / this.#count / this.rates.length,
    };
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

async function rates(options: AlignBenchOptions): Promise<AlignBenchReport> {
  let peer: Peer | undefined;
  if (options.withPeer) {
    const module = await import('./align_peer.ts');
    peer = new module.Peer(options.minsize, (message) => console.log(message));
  }
  const small = await measureSet(SMALL_PHOTOS, options.smallCount, options, peer);
  const large = await measureSet(LARGE_PHOTOS, options.largeCount, options, peer);
  await clearOutput();
  return {
    device: small.device,
    processors: navigator.hardwareConcurrency,
    photos: options.photos.length > 0 ? 'given' : 'drawn',
    minsize: options.minsize,
    sets: [small.report, large.report],
  };
}

/** Aligns many photos of many sizes. At each mark the job is paused and the memory is measured. */
async function memory({ photos, marks, backend, minsize, largestPx }: MemorySettings): Promise<MemoryReport> {
  const distinct: File[] = [];
  for (let index = 0; index < MEMORY_SIZES; index++) {
    // All sizes differ, small ones are more frequent, and every fifth photo is in portrait format.
    const long = Math.round(80 + (largestPx - 80) * (((index * 17) % MEMORY_SIZES) / MEMORY_SIZES) ** 2.5);
    const short = Math.round(long * (0.6 + 0.4 * (((index * 31) % MEMORY_SIZES) / MEMORY_SIZES)));
    const isUpright = index % 5 === 0;
    const size = isUpright ? { width: short, height: long } : { width: long, height: short };
    distinct.push(...(await makePhotos(size, 1, [])));
  }
  const files = Array.from({ length: photos }, (_, index) => distinct[index % MEMORY_SIZES]!);
  const found: MemoryMark[] = [];
  const control = new JobControl();
  const startedAt = performance.now();
  let done = 0;
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    control.pause();
    const at = done;
    // Photos in progress are finished meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const networks = await worker.memory();
    const { bytes } = await (performance as MemoryPerformance).measureUserAgentSpecificMemory();
    const mark = {
      photos: at,
      networks,
      heapBytes: bytes,
      seconds: (performance.now() - startedAt) / 1000,
    };
    console.log(JSON.stringify(mark));
    found.push(mark);
    control.resume();
  };
  const onEvent = (event: AlignEvent): void => {
    if (event.kind !== 'aligned' && event.kind !== 'failed') return;
    done++;
    if (marks.includes(done)) looking = look();
  };
  const { device } = await align(files, { minsize }, backend, onEvent, control);
  await looking;
  await clearOutput();
  return { device, sizes: MEMORY_SIZES, marks: found };
}

(globalThis as unknown as AlignBenchPage).alignBench = { rates, memory };

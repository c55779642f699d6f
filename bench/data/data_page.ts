/** The functions that the data benchmark's page offers to data_chromium.ts. The folder is dropped on the page. */
import { wrap } from 'comlink';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { droppedFolders } from '../../src/session/folders.ts';
import type { DataWorkerApi } from './data.worker.ts';
import type { DecodeRate, DecodeSettings, ImageKind, ScanReport } from './data_bench.ts';

export interface DataBenchPage {
  dataBench: {
    decode(settings: DecodeSettings): Promise<DecodeRate>;
    /** The first files that `decode` wrote, in base64. */
    files(kind: ImageKind, count: number): Promise<string[]>;
    /** Waits for the folder to be dropped. */
    scan(): Promise<ScanReport>;
  };
}

interface MemoryPerformance extends Performance {
  /** https://wicg.github.io/performance-measure-memory/ */
  measureUserAgentSpecificMemory(): Promise<{ bytes: number }>;
}

const worker = wrap<DataWorkerApi>(
  new Worker(new URL('./data.worker.ts', import.meta.url), { type: 'module' }),
);

async function memoryBytes(): Promise<number> {
  return (await (performance as MemoryPerformance).measureUserAgentSpecificMemory()).bytes;
}

function dropped(): Promise<DirectoryReference[]> {
  return new Promise((resolve, reject) => {
    addEventListener('dragover', (event) => event.preventDefault());
    addEventListener(
      'drop',
      (event) => {
        event.preventDefault();
        droppedFolders(event.dataTransfer!).then(resolve, reject);
      },
      { once: true },
    );
  });
}

(globalThis as unknown as DataBenchPage).dataBench = {
  decode: (settings) => worker.decode(settings),
  async files(kind, count) {
    const files = await worker.files(kind, count);
    return files.map((bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')));
  },
  async scan() {
    const folders = await dropped();
    const before = await memoryBytes();
    const scanned = await worker.scan(folders);
    return { ...scanned, memoryBytes: (await memoryBytes()) - before };
  },
};

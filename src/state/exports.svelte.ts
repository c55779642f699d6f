/** The fourth step: models for use elsewhere, as a zip to download or as files in a folder. */
import { SvelteMap } from 'svelte/reactivity';
import type { ExportFormat, ExportSummary, ModelReference } from '../../workers/protocol.ts';
import { saveBlob, withMovedStream, zipAsBlob } from './downloads.ts';
import { problemOf, type Problem } from './errors.ts';
import { pickFolder, requestAccess, folderName } from './folders.ts';
import type { JobGuard } from './job_guard.svelte.ts';
import { modelWorker } from './workers.ts';

export const FORMAT_TITLES: Readonly<Record<ExportFormat, string>> = {
  tfjs: 'TensorFlow.js',
  safetensors: 'safetensors',
  onnx: 'ONNX',
  'safetensors-pytorch': 'safetensors (facenet-pytorch)',
};

export class ModelExport {
  readonly runId: string;
  readonly format: ExportFormat;
  status = $state<'running' | 'done' | 'failed'>('running');
  summary = $state.raw<ExportSummary | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** The zip, for the download link; none when the files went into a folder. */
  url = $state('');
  sizeBytes = $state(0);
  folder = $state('');

  constructor(runId: string, format: ExportFormat) {
    this.runId = runId;
    this.format = format;
  }

  get fileName(): string {
    return `${this.runId}-${this.format}.zip`;
  }
}

export class ExportsState {
  /** The newest export of each run and format, by `runId/format`. */
  readonly all = new SvelteMap<string, ModelExport>();
  readonly isBusy = $derived([...this.all.values()].some(({ status }) => status === 'running'));
  readonly #guard: JobGuard;

  constructor(guard: JobGuard) {
    this.#guard = guard;
  }

  of(runId: string): ModelExport[] {
    return [...this.all.values()].filter((item) => item.runId === runId);
  }

  /** @param download also hands the finished zip to the browser's downloads at once */
  async toZip(runId: string, format: ExportFormat, download: boolean): Promise<ModelExport> {
    const item = this.#begin(runId, format);
    try {
      const zip = zipAsBlob();
      const model: ModelReference = { kind: 'run', runId };
      const request = withMovedStream({ model, format, output: zip.output });
      item.summary = await this.#guard.during('export', false, () =>
        modelWorker.call((api) => api.exportModel(request)),
      );
      const blob = await zip.finish();
      if (blob) {
        item.url = URL.createObjectURL(blob);
        item.sizeBytes = blob.size;
        if (download) saveBlob(blob, item.fileName);
      }
      item.status = 'done';
    } catch (error) {
      this.#fail(item, error);
    } finally {
      modelWorker.release();
    }
    return item;
  }

  /** Must follow a click: the browser asks for the folder. */
  async toFolder(runId: string, format: ExportFormat): Promise<void> {
    let item: ModelExport | undefined;
    try {
      const directory = await pickFolder('readwrite');
      if (!(await requestAccess([directory], 'readwrite'))) return;
      item = this.#begin(runId, format);
      item.folder = folderName(directory);
      const model: ModelReference = { kind: 'run', runId };
      item.summary = await this.#guard.during('export', false, () =>
        modelWorker.call((api) =>
          api.exportModel({ model, format, output: { kind: 'directory', directory } }),
        ),
      );
      item.status = 'done';
    } catch (error) {
      if (item) this.#fail(item, error);
      else problemOf(error);
    } finally {
      modelWorker.release();
    }
  }

  forget(item: ModelExport): void {
    URL.revokeObjectURL(item.url);
    this.all.delete(`${item.runId}/${item.format}`);
  }

  #begin(runId: string, format: ExportFormat): ModelExport {
    const key = `${runId}/${format}`;
    const before = this.all.get(key);
    if (before) URL.revokeObjectURL(before.url);
    const item = new ModelExport(runId, format);
    this.all.set(key, item);
    return item;
  }

  #fail(item: ModelExport, error: unknown): void {
    item.problem = problemOf(error) ?? { name: 'AbortError', message: 'The export was stopped.' };
    item.status = 'failed';
  }
}

/** The fourth step: models for use elsewhere, as a zip to download or as files in a folder. */
import { proxy } from 'comlink';
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { ExportProgress, ExportRequest, ExportSummary } from '../../workers/protocol/models/export.ts';
import type { ModelReference } from '../../workers/protocol/models/models.ts';
import { saveBlob, withMovedStream, zipAsBlob } from '../session/downloads.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { readExportedIds, storeExportedIds } from './exported_models.ts';
import { pickFolder, requestAccess, folderName } from '../session/folders.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import { WeightsChoice } from '../choose/weights_choice.svelte.ts';
import { exportWorker, STOP_SOON_MS } from '../session/workers.ts';

export type ExportSettings = Omit<ExportRequest, 'model' | 'output'>;

export const FORMAT_TITLES: Readonly<Record<ExportSettings['format'], string>> = {
  tfjs: 'TensorFlow.js',
  onnx: 'ONNX',
  safetensors: 'safetensors',
  'safetensors-pytorch': 'safetensors (facenet-pytorch)',
};

/** What is exported: a run, or a model that was brought in. */
export interface ExportedModel {
  readonly id: string;
  readonly name: string;
  /** Which of a run's values, in words; empty for the newest ones themselves. */
  readonly values: readonly string[];
  readonly reference: ModelReference;
}

export function runModel(runId: string, weights = new WeightsChoice()): ExportedModel {
  return { id: runId, name: runId, values: weights.titles, reference: weights.reference(runId) };
}

export class ModelExport {
  readonly model: ExportedModel;
  readonly settings: ExportSettings;
  readonly control = new JobControl();
  status = $state<'running' | 'stopping' | 'done' | 'stopped' | 'failed'>('running');
  progress = $state.raw<ExportProgress | undefined>();
  summary = $state.raw<ExportSummary | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** The zip, for the download link; none when the files went into a folder. */
  url = $state('');
  sizeBytes = $state(0);
  folder = $state('');

  constructor(model: ExportedModel, settings: ExportSettings) {
    this.model = model;
    this.settings = settings;
  }

  /** `ONNX, float16` */
  get title(): string {
    const { format, dtype } = this.settings;
    return [FORMAT_TITLES[format], ...(dtype === 'float16' ? ['float16'] : []), ...this.model.values].join(
      ', ',
    );
  }

  get key(): string {
    return keyOf(this.model, this.settings);
  }

  get fileName(): string {
    const { format, dtype } = this.settings;
    const { name, values } = this.model;
    const parts = [name, ...values.map((value) => value.replaceAll(' ', '-')), format];
    return `${[...parts, ...(dtype === 'float16' ? [dtype] : [])].join('-')}.zip`;
  }

  get isRunning(): boolean {
    return this.status === 'running' || this.status === 'stopping';
  }
}

function keyOf({ id, values }: ExportedModel, { format, dtype = 'float32' }: ExportSettings): string {
  return [id, ...values, format, dtype].join('/');
}

export class ExportsState {
  /** The newest export of each model, format and precision. */
  readonly all = new SvelteMap<string, ModelExport>();
  /** Models that were exported, on this visit or an earlier one; some of them may have been deleted since. */
  readonly exportedIds = new SvelteSet<string>(readExportedIds());
  readonly isBusy = $derived([...this.all.values()].some(({ isRunning }) => isRunning));
  readonly #guard: JobGuard;

  constructor(guard: JobGuard) {
    this.#guard = guard;
  }

  of(modelId: string): ModelExport[] {
    return [...this.all.values()].filter(({ model }) => model.id === modelId);
  }

  /** @param download also hands the finished zip to the browser's downloads at once */
  async toZip(model: ExportedModel, settings: ExportSettings, download: boolean): Promise<ModelExport> {
    const item = this.#begin(model, settings);
    await this.#attempt(item, async () => {
      const zip = zipAsBlob();
      const request = withMovedStream({ ...settings, model: model.reference, output: zip.output });
      try {
        item.summary = await this.#run(item, request);
      } catch (error) {
        await zip.abandon();
        throw error;
      }
      const blob = await zip.finish();
      if (blob) {
        item.url = URL.createObjectURL(blob);
        item.sizeBytes = blob.size;
        if (download) saveBlob(blob, item.fileName);
      }
    });
    return item;
  }

  /** Must follow a click: the browser asks for the folder. */
  async toFolder(model: ExportedModel, settings: ExportSettings): Promise<void> {
    try {
      const directory = await pickFolder('readwrite');
      if (!(await requestAccess([directory], 'readwrite'))) return;
      const item = this.#begin(model, settings);
      item.folder = folderName(directory);
      await this.#attempt(item, async () => {
        const output = { kind: 'directory', directory } as const;
        item.summary = await this.#run(item, { ...settings, model: model.reference, output });
      });
    } catch (error) {
      problemOf(error);
    }
  }

  stop(item: ModelExport): void {
    if (item.status !== 'running') return;
    item.status = 'stopping';
    item.control.cancel();
    void exportWorker.endUnlessStopped(STOP_SOON_MS);
  }

  async again(item: ModelExport): Promise<void> {
    await this.toZip(item.model, item.settings, true);
  }

  forget(item: ModelExport): void {
    URL.revokeObjectURL(item.url);
    this.all.delete(item.key);
  }

  #run(item: ModelExport, request: ExportRequest): Promise<ExportSummary> {
    const onProgress = proxy((progress: ExportProgress) => {
      item.progress = progress;
    });
    return this.#guard.during('export', false, () =>
      exportWorker.call((api) => api.exportModel(request, item.control, onProgress)),
    );
  }

  async #attempt(item: ModelExport, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      item.status = 'done';
      this.exportedIds.add(item.model.id);
      storeExportedIds(this.exportedIds);
    } catch (error) {
      const wasStopping = (item.status as ModelExport['status']) === 'stopping';
      item.problem = wasStopping
        ? undefined
        : (problemOf(error) ?? { name: 'AbortError', message: 'The export was stopped.' });
      item.status = wasStopping ? 'stopped' : 'failed';
    } finally {
      exportWorker.release();
    }
  }

  #begin(model: ExportedModel, settings: ExportSettings): ModelExport {
    const item = new ModelExport(model, settings);
    const before = this.all.get(item.key);
    if (before) URL.revokeObjectURL(before.url);
    this.all.set(item.key, item);
    return item;
  }
}

/** The third step: how well a model tells people apart, as on LFW. */
import { proxy } from 'comlink';
import type {
  EvaluationOptions,
  EvaluationProgress,
  EvaluationResult,
  ModelReference,
  RunRecord,
} from '../../workers/protocol.ts';
import { problemOf, type Problem } from './errors.ts';
import { requestAccess } from './folders.ts';
import type { JobGuard } from './job_guard.svelte.ts';
import { PairsChoice } from './pairs_choice.svelte.ts';
import type { Library } from './library.svelte.ts';
import { modelWorker } from './workers.ts';

export type EvaluateStatus = 'idle' | 'running' | 'stopping' | 'done' | 'failed';

export class EvaluateState {
  readonly pairs: PairsChoice;
  modelKind = $state<'run' | 'file' | 'folder'>('run');
  runId = $state('');
  modelFile = $state.raw<File | undefined>();
  modelFolder = $state.raw<(ModelReference & { kind: 'directory' }) | undefined>();
  options = $state<EvaluationOptions>({
    lfw_batch_size: 100,
    image_size: 160,
    lfw_distance_metric: 1,
    lfw_use_flipped_images: true,
    lfw_subtract_mean: true,
    use_fixed_image_standardization: true,
  });
  status = $state<EvaluateStatus>('idle');
  progress = $state.raw<EvaluationProgress | undefined>();
  result = $state.raw<EvaluationResult | undefined>();
  /** What the result is about. */
  resultTitle = $state('');
  problem = $state.raw<Problem | undefined>();
  readonly isBusy = $derived(this.status === 'running' || this.status === 'stopping');
  readonly #guard: JobGuard;

  constructor(library: Library, guard: JobGuard) {
    this.#guard = guard;
    this.pairs = new PairsChoice(library);
  }

  /** Takes the run and the settings it was trained with. */
  useRun(run: RunRecord): void {
    const { options } = run;
    this.modelKind = 'run';
    this.runId = run.id;
    this.options = {
      lfw_batch_size: options.lfw_batch_size,
      image_size: options.image_size,
      lfw_distance_metric: options.lfw_distance_metric,
      lfw_use_flipped_images: options.lfw_use_flipped_images,
      lfw_subtract_mean: options.lfw_subtract_mean,
      use_fixed_image_standardization: options.use_fixed_image_standardization,
    };
  }

  get model(): ModelReference | undefined {
    switch (this.modelKind) {
      case 'run':
        return this.runId ? { kind: 'run', runId: this.runId } : undefined;
      case 'file':
        return this.modelFile && { kind: 'file', file: this.modelFile };
      case 'folder':
        return this.modelFolder;
    }
  }

  get modelName(): string {
    if (this.modelKind === 'run') return `run ${this.runId}`;
    if (this.modelKind === 'file') return this.modelFile?.name ?? '';
    const directory = this.modelFolder?.directory;
    if (!directory) return '';
    return directory.kind === 'handle' ? directory.handle.name : 'name' in directory ? directory.name : '';
  }

  async start(): Promise<void> {
    const { model } = this;
    if (this.isBusy || !model || !this.pairs.isComplete) return;
    this.problem = undefined;
    this.progress = undefined;
    try {
      const folders = [
        ...this.pairs.images.folders,
        ...(model.kind === 'directory' ? [model.directory] : []),
      ];
      if (!(await requestAccess(folders))) return;
      this.status = 'running';
      const request = { model, pairs: this.pairs.source, options: $state.snapshot(this.options) };
      const onProgress = proxy((progress: EvaluationProgress) => {
        this.progress = progress;
      });
      const title = `${this.modelName} on ${this.pairs.images.name}`;
      this.result = await this.#guard.during('evaluate', false, () =>
        modelWorker.call((api) => api.evaluate(request, onProgress)),
      );
      this.resultTitle = title;
      this.status = 'done';
    } catch (error) {
      const wasStopping = (this.status as EvaluateStatus) === 'stopping';
      this.problem = wasStopping ? undefined : problemOf(error);
      this.status = this.problem ? 'failed' : this.result ? 'done' : 'idle';
    } finally {
      modelWorker.release();
    }
  }

  async stop(): Promise<void> {
    this.status = 'stopping';
    await modelWorker.call((api) => api.cancelEvaluation());
  }
}

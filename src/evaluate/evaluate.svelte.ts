/** The third step: how well a model tells people apart, as on LFW. Results are kept with the model. */
import { proxy } from 'comlink';
import { SvelteSet } from 'svelte/reactivity';
import { JobControl } from '../../workers/protocol/job_control.ts';
import type {
  EvaluateRequest,
  EvaluationProgress,
  EvaluationResult,
  SavedEvaluation,
  ValidationRate,
} from '../../workers/protocol/evaluate/evaluate.ts';
import { EVALUATION_LIMITS, firstObstacle } from '../../workers/protocol/align/limits.ts';
import { isAllowed, numberProblems } from '../../workers/protocol/number_limits.ts';
import type { RunRecord } from '../../workers/protocol/train/runs.ts';
import { saveBlob } from '../session/downloads.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { requestAccess } from '../session/folders.ts';
import { canBeRemembered } from '../../workers/protocol/data/folder_references.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import type { Library } from '../session/library.svelte.ts';
import { ModelChoice, STARTER_NAME } from '../choose/model_choice.svelte.ts';
import { PairsChoice } from '../choose/pairs_choice.svelte.ts';
import { evaluationWorker, libraryWorker, STOP_AT_ONCE_MS } from '../session/workers.ts';

export type EvaluateStatus = 'idle' | 'running' | 'stopping' | 'done' | 'failed';

/** Of curves over each other: more could not be told apart. */
export const MOST_COMPARED = 5;

/** What the person can change; the rest is the model's own, unless it is set. */
export interface EvaluationSettings {
  lfw_batch_size: number;
  lfw_distance_metric: 0 | 1;
  lfw_use_flipped_images: boolean;
  lfw_subtract_mean: boolean;
  far_target: number;
  image_size: number | undefined;
  use_fixed_image_standardization: boolean | undefined;
}

/** As the form calls the numbers. */
export const EVALUATION_LABELS = {
  image_size: 'Image size (pixels)',
  lfw_batch_size: 'Images per batch',
  far_target: 'False accept rate (0–1)',
} as const;

export class EvaluateState {
  readonly pairs: PairsChoice;
  readonly choice = new ModelChoice();
  options = $state<EvaluationSettings>({
    lfw_batch_size: 100,
    lfw_distance_metric: 1,
    lfw_use_flipped_images: true,
    lfw_subtract_mean: true,
    far_target: 0.001,
    image_size: undefined,
    use_fixed_image_standardization: undefined,
  });
  status = $state<EvaluateStatus>('idle');
  progress = $state.raw<EvaluationProgress | undefined>();
  /** The newest, or one of those that are kept. */
  shown = $state.raw<SavedEvaluation | undefined>();
  /** VAL of the one shown at another false accept rate than it was measured with. */
  otherRate = $state.raw<ValidationRate | undefined>();
  problem = $state.raw<Problem | undefined>();
  /** Of kept evaluations whose curves lie over each other. */
  readonly compared = new SvelteSet<string>();
  readonly isBusy = $derived(this.status === 'running' || this.status === 'stopping');
  readonly #library: Library;
  readonly #guard: JobGuard;
  #control = new JobControl();

  constructor(library: Library, guard: JobGuard) {
    this.#library = library;
    this.#guard = guard;
    this.pairs = new PairsChoice(library);
    this.choice.kind = 'run';
  }

  /** Why an evaluation cannot start yet, and what to do; empty when it can. */
  readonly obstacle: string = $derived.by(() => {
    if (!this.choice.reference) return 'Choose a model first.';
    return (
      this.pairs.obstacle || firstObstacle(numberProblems(EVALUATION_LIMITS, this.options), EVALUATION_LABELS)
    );
  });

  get result(): EvaluationResult | undefined {
    return this.shown?.result;
  }

  /** Takes the run, and the ways of measuring it was trained to be measured with. */
  useRun({ id, options }: RunRecord): void {
    this.choice.kind = 'run';
    this.choice.runId = id;
    this.options = {
      ...this.options,
      lfw_batch_size: options.lfw_batch_size,
      lfw_distance_metric: options.lfw_distance_metric,
      lfw_use_flipped_images: options.lfw_use_flipped_images,
      lfw_subtract_mean: options.lfw_subtract_mean,
      image_size: undefined,
      use_fixed_image_standardization: undefined,
    };
  }

  get modelName(): string {
    const { choice } = this;
    switch (choice.kind) {
      case 'none':
        return '';
      case 'starter':
        return STARTER_NAME;
      case 'run':
        return `run ${choice.runId}`;
      case 'stored':
        return this.#library.models.find(({ id }) => id === choice.storedId)?.name ?? '';
      case 'file':
        return choice.file?.name ?? '';
      case 'folder':
        return choice.folderName;
    }
  }

  async start(): Promise<void> {
    const { choice, pairs } = this;
    const model = choice.reference;
    if (this.isBusy || !model || this.obstacle !== '') return;
    this.problem = undefined;
    this.progress = undefined;
    try {
      const images = [...pairs.images.folders];
      if (!(await requestAccess([...images, ...choice.folders]))) return;
      this.status = 'running';
      const control = (this.#control = new JobControl());
      const request: EvaluateRequest = {
        model,
        pairs: pairs.source,
        options: { ...$state.snapshot(this.options), image_size: this.options.image_size ?? undefined },
      };
      const onProgress = proxy((progress: EvaluationProgress) => {
        this.progress = progress;
      });
      const about = {
        id: crypto.randomUUID(),
        modelId: choice.modelId,
        modelName: this.modelName,
        imagesName: pairs.images.name,
        pairsFileName: pairs.fileName,
        options: request.options,
      };
      const isRun = choice.kind === 'run';
      const { weights, ...result } = await this.#guard.during('evaluate', false, () =>
        evaluationWorker.call((api) => api.evaluate(request, control, onProgress)),
      );
      this.otherRate = undefined;
      const measured = isRun ? { step: weights?.step, weights } : {};
      this.shown = { ...about, ...measured, images, at: Date.now(), result };
      this.status = 'done';
      await this.#library.keepEvaluation({ ...this.shown, images: images.filter(canBeRemembered) });
    } catch (error) {
      const wasStopping = (this.status as EvaluateStatus) === 'stopping';
      this.problem = wasStopping ? undefined : problemOf(error);
      this.status = this.problem ? 'failed' : this.result ? 'done' : 'idle';
    } finally {
      evaluationWorker.release();
    }
  }

  stop(): void {
    this.status = 'stopping';
    this.#control.cancel();
    void evaluationWorker.endUnlessStopped(STOP_AT_ONCE_MS);
  }

  /** One of those that are kept. */
  async show(id: string): Promise<void> {
    await this.#attempt(async () => {
      const saved = await libraryWorker.call((api) => api.readEvaluation(id));
      if (!saved || this.isBusy) return;
      this.otherRate = undefined;
      this.shown = saved;
      this.status = 'done';
    });
  }

  async delete(id: string): Promise<void> {
    this.compared.delete(id);
    if (this.shown?.id === id) {
      this.shown = undefined;
      if (!this.isBusy) this.status = 'idle';
    }
    await this.#library.deleteEvaluation(id);
  }

  /** VAL of the one shown at another false accept rate; what was embedded is not embedded again. */
  async measureAt(farTarget: number): Promise<void> {
    const { shown } = this;
    if (!shown || !isAllowed(EVALUATION_LIMITS.far_target, farTarget)) return;
    await this.#attempt(async () => {
      const rate = await libraryWorker.call((api) => api.validationRate(shown.id, farTarget));
      if (this.shown === shown) this.otherRate = rate;
    });
  }

  /** Of the one shown: `evaluation.txt`, `lfw_result.txt` or `evaluation.json`. */
  async download(name: string): Promise<void> {
    const { shown } = this;
    if (!shown) return;
    await this.#attempt(async () => {
      const files = await libraryWorker.call((api) => api.buildEvaluationFiles(shown.id));
      const file = files.get(name);
      if (file) saveBlob(file, name);
    });
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.problem = problemOf(error);
    }
  }
}

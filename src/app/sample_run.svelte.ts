/** "Try it with sample faces": the whole main job in one click, walking through the ordinary pages. */
import { parts, type Parts } from './parts.ts';
import { runModel } from '../models/exports.svelte.ts';
import { PAGE_TITLES } from '../session/navigation.svelte.ts';
import { optionOverrides, sampleFacesOptions } from './query.ts';

export type SampleStatus = 'idle' | 'running' | 'stopping' | 'stopped' | 'done' | 'failed';

/** It ends with a model; using it needs faces to ask about. */
export const SAMPLE_STEPS = ['photos', 'train', 'evaluate', 'models'] as const;
type SampleStep = (typeof SAMPLE_STEPS)[number];

/** How long a step's result stays on the screen before the walk goes on. */
const SHOW_MS = 2000;

/** Ends the walk at a step whose page shows what went wrong. */
class StepFailed extends Error {}

export class SampleRun {
  status = $state<SampleStatus>('idle');
  step = $state<SampleStep>('photos');
  /** What is happening, in a few words. */
  message = $state('');
  readonly isRunning = $derived(this.status === 'running' || this.status === 'stopping');
  readonly stepNumber = $derived(SAMPLE_STEPS.indexOf(this.step) + 1);
  readonly #app: Parts;

  constructor(app: Parts) {
    this.#app = app;
  }

  async start(): Promise<void> {
    if (this.isRunning) return;
    this.status = 'running';
    try {
      const aligned = await this.#photos();
      const runId = await this.#train(aligned);
      await this.#evaluate(runId, aligned);
      await this.#export(runId);
      this.status = 'done';
      this.message = 'Done: the model is ready to download on the Models page.';
    } catch (error) {
      if (!(error instanceof StepFailed)) console.error(error);
      this.status = this.#hasProblem ? 'failed' : 'stopped';
      this.message = this.#hasProblem
        ? `The step “${PAGE_TITLES[this.step]}” failed. Its page says what to do.`
        : 'Stopped. The results so far are kept. You can continue by hand on each page.';
    }
  }

  /** Stops the step that runs, in the step's own way. */
  async stop(): Promise<void> {
    this.status = 'stopping';
    this.message = 'Stopping …';
    const { photos, train, evaluate } = this.#app;
    if (this.step === 'photos' && photos.isBusy) await photos.stop();
    if (this.step === 'train' && train.isBusy) await train.stop();
    if (this.step === 'evaluate' && evaluate.isBusy) await evaluate.stop();
  }

  /** Whether the step's page says that something went wrong; otherwise it was stopped there. */
  get #hasProblem(): boolean {
    const { photos, train, evaluate, exports } = this.#app;
    switch (this.step) {
      case 'photos':
        return (photos.problem ?? photos.input.problem) !== undefined;
      case 'train':
        return (train.problem ?? train.dataset.problem) !== undefined;
      case 'evaluate':
        return (evaluate.problem ?? evaluate.pairs.images.problem) !== undefined;
      case 'models':
        return [...exports.all.values()].some(({ status }) => status === 'failed');
    }
  }

  dismiss(): void {
    this.status = 'idle';
  }

  #enter(step: SampleStep, message: string): void {
    this.#proceedIf(true);
    this.step = step;
    this.message = message;
    this.#app.navigation.go(step);
  }

  #proceedIf(condition: boolean): void {
    if (!condition || this.status !== 'running') throw new StepFailed();
  }

  #pauseToShow(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, SHOW_MS));
  }

  async #photos(): Promise<NonNullable<Parts['photos']['aligned']>> {
    const { photos } = this.#app;
    this.#enter('photos', 'Drawing sample faces');
    await photos.useSampleFaces(sampleFacesOptions);
    this.#proceedIf(photos.input.summary !== undefined);
    this.message = 'Finding and aligning the faces';
    photos.outputKind = 'private';
    // Nobody is asked in the middle of the walk.
    await photos.start({ asksForSet: false });
    this.#proceedIf(photos.aligned !== undefined && photos.summary?.cancelled === false);
    await this.#pauseToShow();
    return photos.aligned!;
  }

  async #train(aligned: NonNullable<Parts['photos']['aligned']>): Promise<string> {
    const { train } = this.#app;
    this.#enter('train', 'Training a model on the aligned faces');
    train.close();
    await train.describeDevice();
    train.usePreset(train.suggestedPreset, optionOverrides());
    train.evaluatesEachEpoch = false;
    train.pretrained.kind = 'none';
    await train.dataset.choose([aligned]);
    this.#proceedIf(train.dataset.summary !== undefined);
    await train.start();
    this.#proceedIf(train.status === 'finished');
    await this.#pauseToShow();
    return train.live!.run.id;
  }

  async #evaluate(runId: string, aligned: NonNullable<Parts['photos']['aligned']>): Promise<void> {
    const { evaluate, library } = this.#app;
    this.#enter('evaluate', 'Evaluating how well the model tells the people apart');
    const run = library.runs.find(({ id }) => id === runId);
    if (run) evaluate.useRun(run);
    evaluate.pairs.kind = 'generated';
    await evaluate.pairs.images.choose([aligned]);
    await evaluate.start();
    this.#proceedIf(evaluate.status === 'done');
    await this.#pauseToShow();
  }

  async #export(runId: string): Promise<void> {
    this.#enter('models', 'Exporting the model for TensorFlow.js');
    const item = await this.#app.exports.toZip(runModel(runId), { format: 'tfjs' }, false);
    this.#proceedIf(item.status === 'done');
  }
}

export const sampleRun = new SampleRun(parts);

/** Photos beside each other: the faces on them, and how far apart they are. */
import { proxy } from 'comlink';
import type { EvaluationOverview } from '../../workers/protocol/evaluate/evaluate.ts';
import type { FaceFailure, FindFacesEvent, FoundFace } from '../../workers/protocol/use/identify.ts';
import type { RunRecord } from '../../workers/protocol/train/runs.ts';
import { saveBlob } from '../session/downloads.ts';
import type { Problem } from '../ui/errors.ts';
import type { Library } from '../session/library.svelte.ts';
import type { ModelChoice } from '../choose/model_choice.svelte.ts';
import { identifyWorker } from '../session/workers.ts';
import { distanceTable } from './distance_table.ts';
import { offeredThresholds, type OfferedThreshold } from './evaluation_threshold.ts';
import type { UseJob } from './job.svelte.ts';
import type { UsedModel } from './used_model.svelte.ts';

/** What suits many FaceNet models; an evaluation tells better. */
const USUAL_THRESHOLD = 1.1;
/** dlib's recommendation for the starter model, whose embeddings have no fixed length. */
const STARTER_THRESHOLD = 0.6;
/** More cells than of so many faces are hard to read, and slow. */
export const MATRIX_FACES = 40;
/** Around the face, pixels of the photo: as alignment for tests. */
export const MARGIN_PX = 32;

export interface MeasuredFaces {
  readonly faces: readonly FoundFace[];
  /** Euclidean, [faces, faces] */
  readonly distances: Float64Array;
}

export class CompareState {
  photos = $state.raw<readonly File[]>([]);
  faces = $state.raw<readonly FoundFace[]>([]);
  failures = $state.raw<readonly FaceFailure[]>([]);
  /** The faces whose distances are known; more may have been found since. */
  measured = $state.raw<MeasuredFaces | undefined>();
  /** What evaluations of the model measured, the fitting and newest first. */
  readonly offered = $derived.by(() => offeredThresholds(this.#evaluations(), this.#run(), this.#weights()));
  /** Set by hand; NaN where the field holds no number. */
  #ownThreshold = $state<number | undefined>();
  /** The evaluation whose threshold was taken. */
  #takenId = $state('');
  problem = $state.raw<Problem | undefined>();
  /** Photos that were looked at already, by the model with the key. */
  #seen = $state(0);
  #key = $state('');
  readonly job: UseJob;
  readonly #library: Library;
  readonly #model: UsedModel;

  constructor(library: Library, job: UseJob, model: UsedModel) {
    this.job = job;
    this.#library = library;
    this.#model = model;
  }

  /** The evaluation whose threshold is used: the one that was taken, or else the first that fits the values used. */
  get usedEvaluation(): OfferedThreshold | undefined {
    if (this.#ownThreshold !== undefined) return undefined;
    const { offered } = this;
    return (
      offered.find(({ id }) => id === this.#takenId) ??
      offered.find(({ otherStep }) => otherStep === undefined)
    );
  }

  /** Euclidean, 0 … 2: below it two faces count as one person's. */
  get threshold(): number {
    return this.#ownThreshold ?? this.usedEvaluation?.threshold ?? this.usualThreshold;
  }

  set threshold(value: number) {
    this.#ownThreshold = value;
  }

  /** For a model that has not been evaluated. */
  get usualThreshold(): number {
    return this.#model.choice.kind === 'starter' ? STARTER_THRESHOLD : USUAL_THRESHOLD;
  }

  /** Neither set by hand nor measured. */
  get isUsualThreshold(): boolean {
    return this.#ownThreshold === undefined && !this.usedEvaluation;
  }

  takeThreshold({ id }: OfferedThreshold): void {
    this.#takenId = id;
    this.#ownThreshold = undefined;
  }

  /** Evaluations of the model by an earlier version hold no threshold for comparing faces. */
  get hasOldEvaluations(): boolean {
    return this.offered.length === 0 && this.#evaluations().length > 0;
  }

  #evaluations(): EvaluationOverview[] {
    const { choice, name } = this.#model;
    return this.#library.evaluations.filter(({ modelId, modelName }) =>
      choice.modelId ? modelId === choice.modelId : modelName === name,
    );
  }

  #run(): RunRecord | undefined {
    const { kind, runId } = this.#model.choice;
    return kind === 'run' ? this.#library.runs.find(({ id }) => id === runId) : undefined;
  }

  #weights(): ModelChoice['weights'] {
    return this.#model.choice.weights;
  }

  /** Photos that the model has not looked at. */
  get pendingCount(): number {
    return this.photos.length - (this.#key === this.#model.key ? this.#seen : 0);
  }

  /** Adds photos, and looks at them at once where a model is chosen. */
  async add(files: readonly File[]): Promise<void> {
    if (files.length === 0) return;
    this.photos = [...this.photos, ...files];
    if (this.#model.key) await this.start();
  }

  async start(): Promise<void> {
    if (this.job.isBusy) return;
    this.problem = undefined;
    this.problem = await this.job.run(async () => {
      await this.#model.open();
      if (this.#key !== this.#model.openedKey) await this.#forgetFaces();
      this.#key = this.#model.openedKey;
      const from = this.#seen;
      const files = this.photos.slice(from);
      if (files.length > 0) {
        this.job.begin('Finding faces');
        const onEvent = proxy((event: FindFacesEvent) => this.#receive(event, from));
        await identifyWorker.call((api) =>
          api.findFaces(
            { photos: { kind: 'files', files }, areAligned: false, faces: 'all', margin: MARGIN_PX },
            this.job.control,
            onEvent,
          ),
        );
        this.#seen = from + files.length;
      }
      await this.#measure();
    });
    // Faces of a job that was stopped are those of photos that count as not looked at.
    if (this.pendingCount > 0) await this.#forgetFaces();
  }

  #receive(event: FindFacesEvent, from: number): void {
    const placed = <Item extends { readonly photoIndex: number }>(items: readonly Item[]): Item[] =>
      items.map((item) => ({ ...item, photoIndex: from + item.photoIndex }));
    if (event.kind === 'faces') this.faces = [...this.faces, ...placed(event.faces)];
    else if (event.kind === 'failures') this.failures = [...this.failures, ...placed(event.failures)];
    else this.job.report(event.done, event.total);
  }

  async #measure(): Promise<void> {
    const { faces } = this;
    const ids = faces.map(({ id }) => id);
    const distances = await identifyWorker.call((api) => api.distances(ids, this.job.control));
    this.measured = { faces, distances };
  }

  async removeFace(id: number): Promise<void> {
    this.faces = this.faces.filter((face) => face.id !== id);
    const { measured } = this;
    const at = measured?.faces.findIndex((face) => face.id === id) ?? -1;
    if (measured && at >= 0) {
      const count = measured.faces.length;
      this.measured = {
        faces: measured.faces.toSpliced(at, 1),
        distances: measured.distances.filter(
          (_, cell) => Math.floor(cell / count) !== at && cell % count !== at,
        ),
      };
    }
    await identifyWorker.call((api) => api.forgetFaces([id]));
  }

  async #forgetFaces(): Promise<void> {
    const ids = this.faces.map(({ id }) => id);
    this.forgetAll();
    if (ids.length > 0) await identifyWorker.call((api) => api.forgetFaces(ids));
  }

  /** The photos stay, to be looked at anew. */
  forgetAll(): void {
    this.faces = [];
    this.failures = [];
    this.measured = undefined;
    this.#seen = 0;
  }

  async clear(): Promise<void> {
    this.photos = [];
    this.problem = undefined;
    await this.#forgetFaces();
  }

  get table(): string {
    return this.measured ? distanceTable(this.measured.faces, this.measured.distances) : '';
  }

  saveTable(): void {
    saveBlob(new Blob([this.table], { type: 'text/csv' }), 'face-distances.csv');
  }
}

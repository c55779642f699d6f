/** A dataset as a model sees it: a map, photos that may be mislabelled, and what is there twice. */
import { proxy, transfer } from 'comlink';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EvaluationProgress } from '../../../workers/protocol/evaluate/evaluate.ts';
import type { EmbeddedPhotos, InspectFindings, PhotoMap } from '../../../workers/protocol/use/inspect.ts';
import type { DatasetChoice } from '../../choose/dataset_choice.svelte.ts';
import { saveBlob } from '../../session/downloads.ts';
import { problemOf, type Problem } from '../../ui/errors.ts';
import { requestAccess } from '../../session/folders.ts';
import { formatCount, formatCountOf, formatRate } from '../../ui/format.ts';
import type { JobGuard } from '../../session/job_guard.svelte.ts';
import { leftOutSets } from '../../choose/left_out.ts';
import type { UsedModel } from '../used_model.svelte.ts';
import { WorkerFailedError } from '../../../workers/rpc/worker_client.ts';
import { embeddingWorker, inspectWorker, STOP_SOON_MS } from '../../session/workers.ts';
import { InspectedDataset, TypicalPhotos } from './inspected_dataset.ts';

export type MapKind = 'components' | 'neighbours';
type InspectJob = 'embedding' | 'measuring' | 'mapping';

/** Photos a batch: few, so that progress shows on slow machines too. */
const BATCH_SIZE = 32;
const TABLE_NAME = 'distances.tsv';

export class InspectState {
  readonly dataset: DatasetChoice;
  readonly model: UsedModel;
  job = $state<InspectJob | undefined>();
  isStopping = $state(false);
  /** Of the job, 0 … 1; undefined when nothing is known. */
  share = $state<number | undefined>();
  /** How far it is, in words. */
  detail = $state('');
  problem = $state.raw<Problem | undefined>();
  inspected = $state.raw<InspectedDataset | undefined>();
  findings = $state.raw<InspectFindings | undefined>();
  mapKind = $state<MapKind>('components');
  components = $state.raw<PhotoMap | undefined>();
  neighbours = $state.raw<Float32Array | undefined>();
  /** How many photos were left out when they were last measured. */
  measuredWithout = $state(0);
  /** For screen readers: what a click has done. */
  announcement = $state('');
  readonly isBusy = $derived(this.job !== undefined);
  readonly positions = $derived(
    this.mapKind === 'neighbours' && this.neighbours ? this.neighbours : this.components?.positions,
  );
  /** The folders that were looked at are still the dataset’s. */
  readonly isSameDataset = $derived.by(() => isSameUnion(this.inspected?.references, this.dataset.folders));
  readonly #leftOutSets = $derived.by(() => (this.isSameDataset ? leftOutSets(this.dataset.folders) : []));
  readonly leftOutRows = $derived.by(() =>
    (this.inspected?.photos ?? []).flatMap(({ folder, path }, row) =>
      this.#leftOutSets[folder]?.has(path) ? [row] : [],
    ),
  );
  readonly #typical = $derived.by(
    () =>
      this.inspected && this.findings && new TypicalPhotos(this.inspected, this.findings.fits.ownDistances),
  );
  readonly #guard: JobGuard;
  #control = new JobControl();

  constructor(dataset: DatasetChoice, model: UsedModel, guard: JobGuard) {
    this.dataset = dataset;
    this.model = model;
    this.#guard = guard;
  }

  /** Empty when all is there. */
  get obstacle(): string {
    if (!this.model.key) return 'Choose a model first.';
    if (this.dataset.isScanning) return 'The folder is still being read.';
    if (!this.dataset.summary) return 'Choose a folder of aligned faces.';
    return '';
  }

  /** The embeddings that are held are those of the dataset and the model that are chosen. */
  get isUpToDate(): boolean {
    const { inspected, dataset } = this;
    if (!inspected || !this.isSameDataset || inspected.names.modelKey !== this.model.key) return false;
    // Photos may have come to the folder, or gone from it.
    const count = (dataset.summary?.imageCount ?? 0) + this.leftOutRows.length;
    return count === inspected.photos.length + inspected.failures.length;
  }

  isLeftOut(row: number): boolean {
    const { folder, path } = this.inspected!.photos[row]!;
    return this.#leftOutSets[folder]?.has(path) ?? false;
  }

  /** Embeds the photos, unless their embeddings are held, and measures; needs a click for the folders’ permission. */
  async start(): Promise<void> {
    if (this.isBusy || this.obstacle !== '') return;
    await this.#run('embedding', async () => {
      if (!this.isUpToDate) await this.#embed();
      await this.#measure();
    });
  }

  async #embed(): Promise<void> {
    const model = this.model.choice.reference!;
    const names = {
      datasetName: this.dataset.name,
      modelName: this.model.name,
      modelKey: this.model.key,
    };
    // Photos that are left out are looked at as well, so that they can be seen and taken back.
    const references = this.dataset.folders.map((folder) => ({ ...folder, leftOut: undefined }));
    if (!(await requestAccess([...references, ...this.model.choice.folders])))
      throw new DOMException('Access to the folder was not allowed.', 'AbortError');
    this.detail = 'Loading the model …';
    const onProgress = proxy(({ done, total, imagesPerSecond }: EvaluationProgress) => {
      this.share = done / Math.max(total, 1);
      this.detail = `${formatCount(done)} of ${formatCountOf(total, 'photo')} · ${formatRate(imagesPerSecond)} photos per second`;
    });
    let embedded: EmbeddedPhotos;
    try {
      embedded = await embeddingWorker.call((api) =>
        api.embed({ model, data: references, batch_size: BATCH_SIZE }, this.#control, onProgress),
      );
    } finally {
      embeddingWorker.release();
    }
    this.forget();
    const inspected = new InspectedDataset(names, references, embedded);
    await inspectWorker.call((api) => api.hold(transfer(embedded, [embedded.embeddings.buffer])));
    this.inspected = inspected;
  }

  async #measure(): Promise<void> {
    this.job = 'measuring';
    this.share = undefined;
    this.detail = 'Measuring distances …';
    const isLeftOut = new Uint8Array(this.inspected!.labels.length);
    for (const row of this.leftOutRows) isLeftOut[row] = 1;
    const onShare = (from: number, to: number) =>
      proxy((share: number) => {
        this.share = from + (to - from) * share;
      });
    const control = this.#control;
    this.components = await inspectWorker.call((api) => api.map(isLeftOut, control, onShare(0, 0.3)));
    this.findings = await inspectWorker.call((api) => api.inspect(isLeftOut, control, onShare(0.3, 1)));
    this.measuredWithout = this.leftOutRows.length;
  }

  /** Draws the map by neighbourhood, in the worker; a second time it is there already. */
  async mapBy(kind: MapKind): Promise<void> {
    if (this.isBusy) return;
    if (kind === 'components' || this.neighbours) {
      this.mapKind = kind;
      return;
    }
    const isDone = await this.#run('mapping', async () => {
      this.detail = 'Searching for neighbours …';
      const onProgress = proxy((share: number, positions?: Float32Array) => {
        this.share = share;
        if (!positions || this.isStopping) return;
        this.detail = 'Arranging the photos …';
        this.neighbours = positions;
        this.mapKind = 'neighbours';
      });
      this.neighbours = await inspectWorker.call((api) => api.mapByNeighbours(this.#control, onProgress));
      this.mapKind = 'neighbours';
    });
    if (isDone) return;
    this.neighbours = undefined;
    this.mapKind = 'components';
  }

  /** @returns whether it came to its end */
  async #run(job: InspectJob, work: () => Promise<void>): Promise<boolean> {
    this.problem = undefined;
    this.job = job;
    this.share = undefined;
    this.detail = '';
    this.isStopping = false;
    this.#control = new JobControl();
    try {
      await this.#guard.during('inspect', false, work);
      return true;
    } catch (error) {
      // A stop ends the work with an error of its own.
      if (!this.isStopping) this.problem = problemOf(error);
      const isGone = error instanceof WorkerFailedError || this.problem?.name === 'NothingInspectedError';
      if (isGone && this.job !== 'embedding') this.forget();
      return false;
    } finally {
      this.job = undefined;
      this.isStopping = false;
    }
  }

  stop(): void {
    if (!this.isBusy || this.isStopping) return;
    this.isStopping = true;
    this.#control.cancel();
    void (this.job === 'embedding' ? embeddingWorker : inspectWorker).endUnlessStopped(STOP_SOON_MS);
  }

  /** @param rows of photos; they are not deleted */
  async setLeftOut(rows: readonly number[], isLeftOut: boolean): Promise<void> {
    const { inspected } = this;
    if (!inspected || !this.isSameDataset) return;
    await this.dataset.setLeftOut(
      rows.map((row) => inspected.photos[row]!),
      isLeftOut,
    );
    const what = rows.length === 1 ? inspected.photos[rows[0]!]!.path : formatCountOf(rows.length, 'photo');
    this.announcement = `${what}: ${isLeftOut ? 'excluded' : 'included again'}. The dataset has ${formatCountOf(this.dataset.summary?.imageCount ?? 0, 'photo')}.`;
  }

  /** The photos of a person that are nearest to the person’s centre, none that is left out. */
  typicalOf(label: number, count: number): readonly number[] {
    const rows = this.#typical?.of(label) ?? [];
    const kept = rows.filter((row) => !this.isLeftOut(row));
    return (kept.length > 0 ? kept : rows).slice(0, count);
  }

  /** The distances, as Train’s filter takes them. @returns undefined where it failed, which is told */
  async buildFilterTable(): Promise<File | undefined> {
    try {
      const table = await inspectWorker.call((api) => api.buildFilterTable());
      return new File([table], TABLE_NAME, { type: table.type });
    } catch (error) {
      this.problem = problemOf(error);
      return undefined;
    }
  }

  async saveFilterTable(): Promise<void> {
    const table = await this.buildFilterTable();
    if (table) saveBlob(table, table.name);
  }

  /** Lets go of what was looked at. */
  forget(): void {
    this.inspected?.close();
    this.inspected = undefined;
    this.findings = undefined;
    this.components = undefined;
    this.neighbours = undefined;
    this.mapKind = 'components';
  }
}

/** Whatever is left out of them. */
function isSameUnion(
  looked: readonly DirectoryReference[] | undefined,
  chosen: readonly DirectoryReference[],
): boolean {
  return (
    looked?.length === chosen.length && looked.every((reference, at) => isSameFolder(reference, chosen[at]!))
  );
}

function isSameFolder(a: DirectoryReference, b: DirectoryReference): boolean {
  if (a.kind === 'handle') return b.kind === 'handle' && a.handle === b.handle;
  if (a.kind === 'private') return b.kind === 'private' && a.path === b.path;
  if (a.kind === 'http') return b.kind === 'http' && a.url === b.url;
  return b.kind === 'files' && a.files === b.files;
}

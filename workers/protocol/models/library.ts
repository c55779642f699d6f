/** library.worker: what is stored in this browser. */
import type { DirectoryReference } from '../data/directories.ts';
import type { DeviceInfo } from '../device.ts';
import type { ValidationRate } from '../evaluate/evaluate.ts';
import type { EvaluationOverview, SavedEvaluation } from '../evaluate/evaluate.ts';
import type { KeptGallery } from '../use/identify.ts';
import type { StoredModel } from './models.ts';
import type {
  CheckpointSummary,
  EvaluationSummary,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../train/runs.ts';
import type { ImageStandardization } from './standardization.ts';
import type { SetForSource, SourceOfSet, StoredSet, StoredSetSize } from '../data/stored_sets.ts';

export interface RememberedFolder {
  readonly id: string;
  readonly reference: DirectoryReference;
  /** What it was used as. */
  readonly role: 'photos' | 'aligned' | 'lfw' | 'output';
  readonly lastUsedAt: number;
}

export interface LibraryWorkerApi {
  /** Newest first. A run whose worker is gone is shown as 'interrupted'. */
  listRuns(): Promise<RunRecord[]>;
  readSteps(runId: string): Promise<StepRecord[]>;
  readValidations(runId: string): Promise<ValidationRecord[]>;
  readEvaluations(runId: string): Promise<EvaluationSummary[]>;
  /** Newest first. */
  listCheckpoints(runId: string): Promise<CheckpointSummary[]>;
  /** A checkpoint's model as a file of this program's kind. @throws RunMissingError, NoCheckpointError */
  checkpointFile(
    runId: string,
    step: number,
    useMovingAverages?: boolean,
  ): Promise<{ readonly name: string; readonly file: Blob }>;
  /**
   * The files of a run's log folder, by path (`<run>/arguments.txt`, `<run>/stat.h5`, TensorBoard's events …), from
   * what is stored of it.
   * @throws RunMissingError
   */
  buildRunFiles(runId: string): Promise<ReadonlyMap<string, Blob>>;
  deleteRun(runId: string): Promise<void>;
  /** @throws RunMissingError */
  setNotes(runId: string, notes: string): Promise<void>;
  /** Newest first. */
  listModels(): Promise<StoredModel[]>;
  deleteModel(id: string): Promise<void>;
  /** How a stored model's images are standardised, as the person says; false where it has been deleted. */
  setStandardization(id: string, value: ImageStandardization): Promise<boolean>;
  saveEvaluation(evaluation: SavedEvaluation): Promise<void>;
  /** Newest first. */
  listEvaluations(): Promise<EvaluationOverview[]>;
  /** undefined where it has been deleted */
  readEvaluation(id: string): Promise<SavedEvaluation | undefined>;
  deleteEvaluation(id: string): Promise<void>;
  /** VAL at another false accept rate. */
  validationRate(id: string, farTarget: number): Promise<ValidationRate | undefined>;
  /** The result as files, by name: text as the original prints it, and JSON. */
  buildEvaluationFiles(id: string): Promise<ReadonlyMap<string, Blob>>;
  rememberFolder(reference: DirectoryReference, role: RememberedFolder['role']): Promise<void>;
  listFolders(role?: RememberedFolder['role']): Promise<RememberedFolder[]>;
  /** The folders with what was left out of them when they were last used so, unless they say so themselves. */
  recallLeftOut(
    references: readonly DirectoryReference[],
    role: RememberedFolder['role'],
  ): Promise<DirectoryReference[]>;
  forgetFolder(id: string): Promise<void>;
  /** Sets of pictures in the browser's own storage, the last used first. */
  listStoredSets(): Promise<StoredSet[]>;
  measureStoredSet(path: string): Promise<StoredSetSize>;
  /** @throws SetInUseError */
  deleteStoredSet(path: string): Promise<void>;
  /** Deletes a set without a picture, unless a job of another tab may be filling it. */
  discardEmptySet(path: string): Promise<void>;
  findSetFor(source: SourceOfSet): Promise<SetForSource>;
  /** Notes down what a set of aligned faces is made of. */
  rememberSource(
    path: string,
    folders: readonly DirectoryReference[],
    sourceNames: readonly string[],
  ): Promise<void>;
  /** People kept to be recognised, the newest first. */
  listGalleries(): Promise<KeptGallery[]>;
  deleteGallery(id: string): Promise<void>;
  /** Runs, checkpoints, remembered folders, private datasets: all of it. */
  deleteEverything(): Promise<void>;
  /** What jobs would run on. Asked here because this worker is always there, and small. */
  describeDevice(): Promise<DeviceInfo>;
  estimate(): Promise<{ usedBytes: number; quotaBytes: number }>;
}

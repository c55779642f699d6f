/**
 * The IndexedDB schema: runs, their metrics, their checkpoints, remembered folders, the engine's measurements, saved
 * people for recognition, and the source folders of sets of aligned faces.
 */
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { DirectoryReference } from '../protocol/data/dataset.ts';
import type { SavedEvaluation } from '../protocol/evaluate/evaluate.ts';
import type { KeptGallery } from '../protocol/use/identify.ts';
import type { RememberedFolder } from '../protocol/models/library.ts';
import type { StoredModel } from '../protocol/models/models.ts';
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../protocol/train/runs.ts';

export const DATABASE_NAME = 'facenet';
const VERSION = 5;

/** The place of a tensor's values in the concatenated bytes of a checkpoint. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: 'parameter' | 'state';
}

/** Written last: a checkpoint without this record does not exist. */
export interface CheckpointRecord {
  readonly id: string;
  readonly runId: string;
  readonly step: number;
  readonly epoch: number;
  readonly createdAt: number;
  readonly tensors: readonly StoredTensor[];
  /** CRC-32 of each chunk. */
  readonly chunkChecksums: readonly number[];
  readonly sizeBytes: number;
}

/** What is stored about a set of aligned faces in addition to its files. */
export interface SetRecord {
  readonly path: string;
  readonly sourceNames: readonly string[];
  /** undefined if one of the folders cannot be recognised when it is chosen again. */
  readonly sources: readonly DirectoryReference[] | undefined;
  readonly lastUsedAt: number;
}

export interface FacenetSchema extends DBSchema {
  runs: { key: string; value: RunRecord };
  /** Blocks of steps; the order of the keys is the order of the steps. */
  steps: { key: [string, number]; value: { runId: string; firstStep: number; records: StepRecord[] } };
  validations: { key: [string, number]; value: ValidationRecord & { runId: string } };
  evaluations: { key: [string, number]; value: EvaluationSummary & { runId: string } };
  /** From version 4. */
  prelogits: { key: [string, number]; value: PrelogitsHistogram & { runId: string } };
  checkpoints: { key: string; value: CheckpointRecord; indexes: { byRun: string } };
  chunks: {
    key: [string, number];
    value: { checkpointId: string; index: number; bytes: Uint8Array<ArrayBuffer> };
  };
  folders: { key: string; value: RememberedFolder };
  /** The choices are TunedChoices of compute/engine; the storage does not interpret them. */
  tuning: { key: string; value: { adapter: string; choices: object } };
  /** From version 2; `file` is a gallery file (formats/gallery_file.ts). */
  galleries: { key: string; value: KeptGallery & { readonly file: Blob } };
  /** From version 3. Complete evaluations; `evaluations` holds those between the epochs of a run. */
  savedEvaluations: { key: string; value: SavedEvaluation; indexes: { byModel: string } };
  /** From version 3; their values are files in the private file system. */
  models: { key: string; value: StoredModel };
  /** From version 5: the sources of sets of aligned faces in the private file system, by the path of the set. */
  alignedSets: { key: string; value: SetRecord };
}

export type FacenetDatabase = IDBPDatabase<FacenetSchema>;

let opened: Promise<FacenetDatabase> | undefined;

export function openDatabase(): Promise<FacenetDatabase> {
  opened ??= openDB<FacenetSchema>(DATABASE_NAME, VERSION, {
    upgrade(database, oldVersion) {
      if (oldVersion < 1) createFirstStores(database);
      if (oldVersion < 2) database.createObjectStore('galleries', { keyPath: 'id' });
      if (oldVersion < 3) {
        database.createObjectStore('savedEvaluations', { keyPath: 'id' }).createIndex('byModel', 'modelId');
        database.createObjectStore('models', { keyPath: 'id' });
      }
      if (oldVersion < 4) database.createObjectStore('prelogits', { keyPath: ['runId', 'step'] });
      if (oldVersion < 5) database.createObjectStore('alignedSets', { keyPath: 'path' });
    },
    blocking(_current, _blocked, event) {
      // Another tab wants to upgrade or delete the database: close it, and open it again on the next use.
      (event.target as IDBDatabase).close();
      opened = undefined;
    },
    terminated() {
      opened = undefined;
    },
  });
  return opened;
}

function createFirstStores(database: FacenetDatabase): void {
  database.createObjectStore('runs', { keyPath: 'id' });
  database.createObjectStore('steps', { keyPath: ['runId', 'firstStep'] });
  database.createObjectStore('validations', { keyPath: ['runId', 'step'] });
  database.createObjectStore('evaluations', { keyPath: ['runId', 'step'] });
  database.createObjectStore('checkpoints', { keyPath: 'id' }).createIndex('byRun', 'runId');
  database.createObjectStore('chunks', { keyPath: ['checkpointId', 'index'] });
  database.createObjectStore('folders', { keyPath: 'id' });
  database.createObjectStore('tuning', { keyPath: 'adapter' });
}

/** Deletes the database with everything in it. The next use creates an empty one. */
export async function deleteDatabase(): Promise<void> {
  const closing = opened;
  opened = undefined;
  (await closing)?.close();
  await deleteDB(DATABASE_NAME);
}

/** All keys that begin with `id`. */
export function keysOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}

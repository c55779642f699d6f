/** The IndexedDB schema: runs, their metrics, their checkpoints, remembered folders, and the engine's measurements. */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { TunedChoices } from '../engine/tuning.ts';
import type {
  EvaluationSummary,
  RememberedFolder,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../protocol.ts';

export const DATABASE_NAME = 'facenet';
const VERSION = 1;

/** Where a tensor's values are in a checkpoint's concatenated bytes. */
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

export interface FacenetSchema extends DBSchema {
  runs: { key: string; value: RunRecord };
  /** Steps in blocks, in order of their keys. */
  steps: { key: [string, number]; value: { runId: string; firstStep: number; records: StepRecord[] } };
  validations: { key: [string, number]; value: ValidationRecord & { runId: string } };
  evaluations: { key: [string, number]; value: EvaluationSummary & { runId: string } };
  checkpoints: { key: string; value: CheckpointRecord; indexes: { byRun: string } };
  chunks: {
    key: [string, number];
    value: { checkpointId: string; index: number; bytes: Uint8Array<ArrayBuffer> };
  };
  folders: { key: string; value: RememberedFolder };
  tuning: { key: string; value: { adapter: string; choices: TunedChoices } };
}

export type FacenetDatabase = IDBPDatabase<FacenetSchema>;

let opened: Promise<FacenetDatabase> | undefined;

export function openDatabase(): Promise<FacenetDatabase> {
  opened ??= openDB<FacenetSchema>(DATABASE_NAME, VERSION, {
    upgrade(database) {
      database.createObjectStore('runs', { keyPath: 'id' });
      database.createObjectStore('steps', { keyPath: ['runId', 'firstStep'] });
      database.createObjectStore('validations', { keyPath: ['runId', 'step'] });
      database.createObjectStore('evaluations', { keyPath: ['runId', 'step'] });
      database.createObjectStore('checkpoints', { keyPath: 'id' }).createIndex('byRun', 'runId');
      database.createObjectStore('chunks', { keyPath: ['checkpointId', 'index'] });
      database.createObjectStore('folders', { keyPath: 'id' });
      database.createObjectStore('tuning', { keyPath: 'adapter' });
    },
    blocking(_current, _blocked, event) {
      // Another tab wants to upgrade or delete the database: let it, and open anew when next needed.
      (event.target as IDBDatabase).close();
      opened = undefined;
    },
    terminated() {
      opened = undefined;
    },
  });
  return opened;
}

/** All keys that begin with `id`. */
export function keysOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}

/**
 * Checkpoints that are complete or absent: all chunks are written under a new id, with strict durability, and then one
 * small record that makes them a checkpoint. The newest checkpoints and the best one are kept. If one is damaged, the
 * one before it is used.
 */
import type { HostTensor, NamedTensors } from '../protocol/tensor.ts';
import { elementCount } from '../protocol/tensor.ts';
import type { CheckpointSummary } from '../protocol/train/runs.ts';
import { crc32 } from '../common/crc32.ts';
import {
  keysOf,
  openDatabase,
  type CheckpointRecord,
  type FacenetDatabase,
  type FacenetSchema,
  type StoredTensor,
} from './database.ts';

export const CHECKPOINTS_KEPT = 3;
const CHUNK_BYTES = 16 * 1024 * 1024;

export interface Checkpoint {
  readonly runId: string;
  /** Number of steps done. */
  readonly step: number;
  readonly epoch: number;
  readonly parameters: NamedTensors;
  readonly state: NamedTensors;
}

export class StorageQuotaError extends Error {
  override name = 'StorageQuotaError';
  constructor(sizeBytes: number) {
    super(
      `The browser's storage has no room for a checkpoint of ${Math.round(sizeBytes / 1e6)} MB. Delete old runs on the Models page, or free disk space; the checkpoints before this one are kept.`,
    );
  }
}

/**
 * @param bestStep the step whose checkpoint is kept in addition to the newest ones
 * @returns the size in bytes
 * @throws StorageQuotaError; earlier checkpoints then still exist
 */
export async function saveCheckpoint(checkpoint: Checkpoint, bestStep?: number): Promise<number> {
  const database = await openDatabase();
  const id = `${checkpoint.runId}/${checkpoint.step}/${crypto.randomUUID()}`;
  const tensors: StoredTensor[] = [];
  const values: Float32Array[] = [];
  for (const [role, group] of [
    ['parameter', checkpoint.parameters],
    ['state', checkpoint.state],
  ] as const)
    for (const [name, { shape, data }] of group) {
      tensors.push({ name, shape: [...shape], role });
      values.push(data);
    }
  const sizeBytes = values.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const chunkChecksums: number[] = [];
  try {
    for (const bytes of chunked(values, CHUNK_BYTES)) {
      const index = chunkChecksums.length;
      chunkChecksums.push(crc32(bytes));
      await putDurably(database, 'chunks', { checkpointId: id, index, bytes });
    }
    const record: CheckpointRecord = {
      id,
      runId: checkpoint.runId,
      step: checkpoint.step,
      epoch: checkpoint.epoch,
      createdAt: Date.now(),
      tensors,
      chunkChecksums,
      sizeBytes,
    };
    await putDurably(database, 'checkpoints', record);
  } catch (error) {
    await database.delete('chunks', keysOf(id)).catch(() => undefined);
    if (isOutOfQuota(error)) throw new StorageQuotaError(sizeBytes);
    throw error;
  }
  await pruneCheckpoints(checkpoint.runId, bestStep);
  return sizeBytes;
}

/** Resolves when the value is on the disk. If the whole transaction fails, rejects with the transaction's error. */
async function putDurably<Store extends 'chunks' | 'checkpoints'>(
  database: FacenetDatabase,
  store: Store,
  value: FacenetSchema[Store]['value'],
): Promise<void> {
  const transaction = database.transaction(store, 'readwrite', { durability: 'strict' });
  try {
    await Promise.all([transaction.store.put(value), transaction.done]);
  } catch (error) {
    throw transaction.error ?? error;
  }
}

/** Whether the browser refused to store something because there is no room. */
export function isOutOfQuota(error: unknown): boolean {
  return (
    error instanceof StorageQuotaError || (error instanceof Error && error.name === 'QuotaExceededError')
  );
}

/** The newest checkpoint of a run whose chunks are all present and undamaged. */
export async function loadNewestCheckpoint(runId: string): Promise<Checkpoint | undefined> {
  const database = await openDatabase();
  for (const record of await newestFirst(database, runId)) {
    const checkpoint = await readCheckpoint(database, record);
    if (checkpoint) return checkpoint;
  }
  return undefined;
}

/**
 * Deletes the oldest checkpoint to make room. Never deletes the newest one, and the best one only if there is no other.
 * @returns whether there was one to delete
 */
export async function dropOldestCheckpoint(runId: string, bestStep?: number): Promise<boolean> {
  const database = await openDatabase();
  const older = (await newestFirst(database, runId)).slice(1);
  const oldest = older.findLast(({ step }) => step !== bestStep) ?? older.at(-1);
  if (!oldest) return false;
  await deleteCheckpoint(database, oldest.id);
  return true;
}

/** Deletes all checkpoints except the newest ones and the best one. */
export async function pruneCheckpoints(runId: string, bestStep: number | undefined): Promise<void> {
  const database = await openDatabase();
  for (const record of (await newestFirst(database, runId)).slice(CHECKPOINTS_KEPT))
    if (record.step !== bestStep) await deleteCheckpoint(database, record.id);
}

/** The newest first. */
export async function listCheckpoints(runId: string): Promise<CheckpointSummary[]> {
  const records = await newestFirst(await openDatabase(), runId);
  return records.map(({ step, epoch, createdAt, sizeBytes }) => ({ step, epoch, createdAt, sizeBytes }));
}

/** The checkpoint of a step, if it exists and is undamaged. */
export async function loadCheckpoint(runId: string, step: number): Promise<Checkpoint | undefined> {
  const database = await openDatabase();
  for (const record of await newestFirst(database, runId)) {
    const checkpoint = record.step === step ? await readCheckpoint(database, record) : undefined;
    if (checkpoint) return checkpoint;
  }
  return undefined;
}

/**
 * Deletes the checkpoint of a step whose values have turned out to be invalid, if there is an earlier one.
 * @returns whether it was deleted
 */
export async function dropBadCheckpoint(runId: string, step: number): Promise<boolean> {
  const database = await openDatabase();
  const records = await newestFirst(database, runId);
  const bad = records.filter((record) => record.step === step);
  if (bad.length === 0 || !records.some((record) => record.step < step)) return false;
  for (const { id } of bad) await deleteCheckpoint(database, id);
  return true;
}

/**
 * Deletes the chunks of checkpoints that were never finished, because the browser was killed while it wrote them. Only
 * the worker that writes the run may call this.
 * @returns how many unfinished checkpoints there were
 */
export async function deleteUnfinishedCheckpoints(runId: string): Promise<number> {
  const database = await openDatabase();
  const finished = new Set((await newestFirst(database, runId)).map(({ id }) => id));
  // Ids are `<run>/<step>/…`, and 0 is the character after the slash.
  const keys = await database.getAllKeys('chunks', IDBKeyRange.bound([`${runId}/`], [`${runId}0`]));
  const unfinished = new Set(keys.map(([id]) => id).filter((id) => !finished.has(id)));
  for (const id of unfinished) await database.delete('chunks', keysOf(id));
  return unfinished.size;
}

/** The size of a run's checkpoints, bytes. */
export async function storedCheckpointBytes(runId: string): Promise<number> {
  const records = await (await openDatabase()).getAllFromIndex('checkpoints', 'byRun', runId);
  return records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

export async function deleteCheckpoints(runId: string): Promise<void> {
  const database = await openDatabase();
  for (const record of await newestFirst(database, runId)) await deleteCheckpoint(database, record.id);
  await deleteUnfinishedCheckpoints(runId);
}

async function newestFirst(database: FacenetDatabase, runId: string): Promise<CheckpointRecord[]> {
  const records = await database.getAllFromIndex('checkpoints', 'byRun', runId);
  return records.sort((a, b) => b.step - a.step || b.createdAt - a.createdAt);
}

async function readCheckpoint(
  database: FacenetDatabase,
  record: CheckpointRecord,
): Promise<Checkpoint | undefined> {
  const bytes = new Uint8Array(record.sizeBytes);
  let at = 0;
  for (const [index, checksum] of record.chunkChecksums.entries()) {
    const chunk = await database.get('chunks', [record.id, index]);
    if (!chunk || at + chunk.bytes.length > bytes.length || crc32(chunk.bytes) !== checksum) return undefined;
    bytes.set(chunk.bytes, at);
    at += chunk.bytes.length;
  }
  if (at !== bytes.length) return undefined;
  const groups = { parameter: new Map<string, HostTensor>(), state: new Map<string, HostTensor>() };
  let offset = 0;
  for (const { name, shape, role } of record.tensors) {
    const count = elementCount(shape);
    groups[role].set(name, { shape, data: new Float32Array(bytes.buffer, offset, count) });
    offset += count * 4;
  }
  return {
    runId: record.runId,
    step: record.step,
    epoch: record.epoch,
    parameters: groups.parameter,
    state: groups.state,
  };
}

/** Deletes the record first, because chunks without a record do not count as a checkpoint. */
async function deleteCheckpoint(database: FacenetDatabase, id: string): Promise<void> {
  await database.delete('checkpoints', id);
  await database.delete('chunks', keysOf(id));
}

/** The bytes of the arrays, one after the other, in pieces of at most `size` bytes. */
function* chunked(values: readonly Float32Array[], size: number): Generator<Uint8Array<ArrayBuffer>> {
  let chunk = new Uint8Array(size);
  let filled = 0;
  for (const { buffer, byteOffset, byteLength } of values)
    for (let at = 0; at < byteLength;) {
      const count = Math.min(size - filled, byteLength - at);
      chunk.set(new Uint8Array(buffer, byteOffset + at, count), filled);
      filled += count;
      at += count;
      if (filled === size) {
        yield chunk;
        chunk = new Uint8Array(size);
        filled = 0;
      }
    }
  if (filled > 0) yield chunk.slice(0, filled);
}

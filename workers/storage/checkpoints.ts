/**
 * Checkpoints, never half there: all chunks are written under a new id, with strict durability, and then one small
 * record that makes them a checkpoint. The newest ones are kept; a damaged one is passed over for the one before it.
 */
import type { HostTensor, NamedTensors } from '../graph/tensor.ts';
import { elementCount } from '../graph/tensor.ts';
import { crc32 } from './crc32.ts';
import {
  keysOf,
  openDatabase,
  type CheckpointRecord,
  type FacenetDatabase,
  type StoredTensor,
} from './database.ts';

export const CHECKPOINTS_KEPT = 3;
const CHUNK_BYTES = 16 * 1024 * 1024;

export interface Checkpoint {
  readonly runId: string;
  /** Steps done. */
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

/** @returns its size in bytes. @throws StorageQuotaError; earlier checkpoints are then still there */
export async function saveCheckpoint(checkpoint: Checkpoint): Promise<number> {
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
      const transaction = database.transaction('chunks', 'readwrite', { durability: 'strict' });
      await Promise.all([transaction.store.put({ checkpointId: id, index, bytes }), transaction.done]);
    }
    const transaction = database.transaction('checkpoints', 'readwrite', { durability: 'strict' });
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
    await Promise.all([transaction.store.put(record), transaction.done]);
  } catch (error) {
    await database.delete('chunks', keysOf(id)).catch(() => undefined);
    if (error instanceof Error && error.name === 'QuotaExceededError') throw new StorageQuotaError(sizeBytes);
    throw error;
  }
  await prune(database, checkpoint.runId);
  return sizeBytes;
}

/** The newest checkpoint of a run whose chunks are all there and undamaged. */
export async function loadNewestCheckpoint(runId: string): Promise<Checkpoint | undefined> {
  const database = await openDatabase();
  for (const record of await newestFirst(database, runId)) {
    const checkpoint = await readCheckpoint(database, record);
    if (checkpoint) return checkpoint;
  }
  return undefined;
}

/** Gives up all but the newest whole checkpoint, to make room. @returns whether there was one to give up */
export async function dropOldCheckpoints(runId: string): Promise<boolean> {
  const database = await openDatabase();
  const records = await newestFirst(database, runId);
  for (const record of records.slice(1)) await deleteCheckpoint(database, record.id);
  return records.length > 1;
}

export async function deleteCheckpoints(runId: string): Promise<void> {
  const database = await openDatabase();
  for (const record of await newestFirst(database, runId)) await deleteCheckpoint(database, record.id);
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

async function prune(database: FacenetDatabase, runId: string): Promise<void> {
  for (const record of (await newestFirst(database, runId)).slice(CHECKPOINTS_KEPT))
    await deleteCheckpoint(database, record.id);
}

/** The record first: chunks without one are nothing. */
async function deleteCheckpoint(database: FacenetDatabase, id: string): Promise<void> {
  await database.delete('checkpoints', id);
  await database.delete('chunks', keysOf(id));
}

/** The arrays' bytes, one after the other, in pieces of at most `size`. */
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

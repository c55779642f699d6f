import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunRecord, StepRecord } from '../../../workers/protocol/train/runs.ts';
import {
  CHECKPOINTS_KEPT,
  deleteUnfinishedCheckpoints,
  dropBadCheckpoint,
  dropOldestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  loadNewestCheckpoint,
  saveCheckpoint,
  type Checkpoint,
} from '../../../workers/storage/checkpoints.ts';
import { crc32 } from '../../../workers/common/crc32.ts';
import { keysOf, openDatabase } from '../../../workers/storage/database.ts';
import { forgetFolder, listFolders, rememberFolder } from '../../../workers/storage/folders.ts';
import { runLockName } from '../../../workers/storage/run_lock.ts';
import * as runs from '../../../workers/storage/runs.ts';
import { runNames } from '../../../workers/protocol/train/run_names.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';

const held: { name: string }[] = [];
vi.stubGlobal('navigator', { locks: { query: async () => ({ held }) } });

beforeEach(async () => {
  held.length = 0;
  const database = await openDatabase();
  for (const store of database.objectStoreNames) await database.clear(store);
});

function checkpointAt(step: number, runId = 'run'): Checkpoint {
  return {
    runId,
    step,
    epoch: 1,
    parameters: new Map([
      ['a/weights', { shape: [2, 3], data: Float32Array.from({ length: 6 }, (_, i) => i + step) }],
      ['a/beta', { shape: [0], data: new Float32Array() }],
    ]),
    state: new Map([['a/weights/Adam', { shape: [2, 3], data: new Float32Array(6).fill(step) }]]),
  };
}

const run: RunRecord = {
  id: 'run',
  createdAt: 1,
  status: 'running',
  options: defaultTrainingOptions(),
  datasetName: 'photos',
  classNames: ['A', 'B'],
  imageCount: 4,
  data: [],
  step: 0,
  epoch: 0,
  device: 'test',
};

describe('checkpoints', () => {
  it('come back as they were written', async () => {
    expect(await saveCheckpoint(checkpointAt(7))).toBe(48);
    expect(await loadNewestCheckpoint('run')).toEqual(checkpointAt(7));
    expect(await loadNewestCheckpoint('other')).toBeUndefined();
  });

  it('are kept in chunks when they are large', async () => {
    const data = Float32Array.from({ length: 9_000_000 }, (_, i) => i % 1000);
    const large = { ...checkpointAt(1), parameters: new Map([['big', { shape: [data.length], data }]]) };
    await saveCheckpoint(large);
    expect(await (await openDatabase()).count('chunks')).toBe(3);
    const loaded = await loadNewestCheckpoint('run');
    expect(loaded!.parameters.get('big')!.data.every((value, i) => value === data[i])).toBe(true);
  });

  it('the newest ones are kept, and the others’ chunks are gone', async () => {
    for (let step = 1; step <= 5; step++) await saveCheckpoint(checkpointAt(step));
    const database = await openDatabase();
    expect(await database.count('checkpoints')).toBe(CHECKPOINTS_KEPT);
    expect(await database.count('chunks')).toBe(CHECKPOINTS_KEPT);
    expect((await loadNewestCheckpoint('run'))!.step).toBe(5);
    expect(await dropOldestCheckpoint('run')).toBe(true);
    expect((await database.getAll('checkpoints')).map(({ step }) => step).sort()).toEqual([4, 5]);
    expect(await dropOldestCheckpoint('run')).toBe(true);
    expect(await database.count('chunks')).toBe(1);
    expect(await dropOldestCheckpoint('run')).toBe(false);
    expect((await loadNewestCheckpoint('run'))!.step).toBe(5);
  });

  it('the best one is kept beside them, and is the last to be given up', async () => {
    const steps = async (): Promise<number[]> => (await listCheckpoints('run')).map(({ step }) => step);
    for (let step = 1; step <= 6; step++) await saveCheckpoint(checkpointAt(step), step < 2 ? undefined : 2);
    expect(await steps()).toEqual([6, 5, 4, 2]);
    expect(await loadCheckpoint('run', 2)).toEqual(checkpointAt(2));
    expect(await loadCheckpoint('run', 3)).toBeUndefined();
    // Another checkpoint becomes the best, so this one is treated like other old ones.
    await saveCheckpoint(checkpointAt(7), 5);
    expect(await steps()).toEqual([7, 6, 5]);
    await saveCheckpoint(checkpointAt(8), 5);
    expect(await steps()).toEqual([8, 7, 6, 5]);
    for (const left of [[8, 7, 5], [8, 5], [8]]) {
      expect(await dropOldestCheckpoint('run', 5)).toBe(true);
      expect(await steps()).toEqual(left);
    }
    expect(await dropOldestCheckpoint('run', 5)).toBe(false);
  });

  it('one whose values are worthless is given up for the one before it, the only one never', async () => {
    await saveCheckpoint(checkpointAt(1));
    expect(await dropBadCheckpoint('run', 1)).toBe(false);
    await saveCheckpoint(checkpointAt(2));
    expect(await dropBadCheckpoint('run', 3)).toBe(false);
    expect(await dropBadCheckpoint('run', 2)).toBe(true);
    expect((await loadNewestCheckpoint('run'))!.step).toBe(1);
  });

  it('chunks of unfinished ones are deleted, other runs’ are not', async () => {
    await saveCheckpoint(checkpointAt(1));
    await saveCheckpoint(checkpointAt(1, 'run-2'));
    const database = await openDatabase();
    for (const checkpointId of ['run/9/half', 'run-2/9/half'])
      for (const index of [0, 1])
        await database.put('chunks', { checkpointId, index, bytes: new Uint8Array(8) });
    expect(await deleteUnfinishedCheckpoints('run')).toBe(1);
    expect(await database.count('chunks')).toBe(4);
    expect((await loadNewestCheckpoint('run'))!.step).toBe(1);
    expect((await loadNewestCheckpoint('run-2'))!.step).toBe(1);
  });

  it.each([
    [
      'a flipped bit',
      (bytes: Uint8Array<ArrayBuffer>) => bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
    ],
    ['a short chunk', (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, -1)],
    ['a missing chunk', () => undefined],
  ])('%s: the checkpoint before is taken', async (_name, damage) => {
    await saveCheckpoint(checkpointAt(1));
    await saveCheckpoint(checkpointAt(2));
    const database = await openDatabase();
    const newest = (await database.getAll('checkpoints')).find(({ step }) => step === 2)!;
    const [chunk] = await database.getAll('chunks', keysOf(newest.id));
    const bytes = damage(chunk!.bytes);
    if (bytes) await database.put('chunks', { ...chunk!, bytes });
    else await database.delete('chunks', [newest.id, 0]);
    expect((await loadNewestCheckpoint('run'))!.step).toBe(1);
  });

  it('a checkpoint whose record was never written does not exist', async () => {
    await saveCheckpoint(checkpointAt(1));
    const database = await openDatabase();
    await database.put('chunks', { checkpointId: 'run/9/half', index: 0, bytes: new Uint8Array(8) });
    expect((await loadNewestCheckpoint('run'))!.step).toBe(1);
  });
});

describe('runs', () => {
  const step = (number: number, totalLoss = number): StepRecord => ({
    step: number,
    epoch: 1,
    batch: number,
    totalLoss,
    crossEntropy: 0,
    regularization: 0,
    prelogitsNorm: 0,
    centerLoss: 0,
    accuracy: 0,
    learningRate: 0,
    stepMs: 0,
    dataWaitMs: 0,
  });

  it('are interrupted when nobody works on them', async () => {
    await runs.putRun(run);
    expect((await runs.listRuns())[0]!.status).toBe('interrupted');
    held.push({ name: runLockName('run') });
    expect((await runs.listRuns())[0]!.status).toBe('running');
  });

  it('have the steps done last, after a resume', async () => {
    await runs.appendSteps('run', [step(1), step(2), step(3)]);
    await runs.appendSteps('run', [step(4), step(5)]);
    await runs.truncateSteps('run', 2);
    expect((await runs.readSteps('run')).map((record) => record.step)).toEqual([1, 2]);
    await runs.appendSteps('run', [step(3, 30)]);
    expect((await runs.readSteps('run')).map((record) => record.totalLoss)).toEqual([1, 2, 30]);
    expect(await runs.readSteps('ru')).toEqual([]);
  });

  it('are followed by those who have the steps up to some step', async () => {
    await runs.appendSteps('run', [step(1), step(2)]);
    await runs.appendSteps('run', [step(3), step(4)]);
    await runs.appendSteps('run2', [step(9)]);
    const after = async (last: number): Promise<number[]> =>
      (await runs.readStepsAfter('run', last)).map((record) => record.step);
    expect(await after(0)).toEqual([1, 2, 3, 4]);
    expect(await after(2)).toEqual([3, 4]);
    expect(await after(4)).toEqual([]);
    expect((await runs.readLastStep('run'))!.step).toBe(4);
    expect(await runs.readLastStep('ru')).toBeUndefined();
  });

  it('are named by the clock, and never twice', async () => {
    const now = new Date(2026, 0, 2, 3, 4, 5);
    const names = runNames(now);
    const [first, second] = [names.next().value, names.next().value];
    expect([first, second]).toEqual(['20260102-030405', '20260102-030406']);
    const added = await Promise.all(Array.from({ length: 5 }, () => runs.addRun({ ...run, id: first })));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await runs.addRun({ ...run, id: second })).toBe(true);
  });

  it('leave nothing when they are deleted', async () => {
    await runs.putRun(run);
    await runs.appendSteps('run', [step(1)]);
    await runs.putValidation('run', { step: 1, epoch: 1, accuracy: 1, crossEntropy: 0 });
    await runs.putEvaluation('run', { step: 1, epoch: 1, accuracy: 1, valRate: 0 });
    await runs.putPrelogits('run', { step: 1, epoch: 1, counts: new Uint32Array(1000) });
    await saveCheckpoint(checkpointAt(1));
    await runs.deleteRun('run');
    const database = await openDatabase();
    for (const store of database.objectStoreNames) expect(await database.count(store)).toBe(0);
  });
});

describe('folders', () => {
  it('are remembered once a role, the last used first', async () => {
    await rememberFolder({ kind: 'private', path: 'a' }, 'photos');
    await rememberFolder({ kind: 'private', path: 'b' }, 'photos');
    await new Promise((resolve) => setTimeout(resolve, 2));
    await rememberFolder({ kind: 'private', path: 'a' }, 'photos');
    await rememberFolder({ kind: 'files', name: 'x', files: [] }, 'photos');
    const folders = await listFolders('photos');
    expect(folders.map(({ reference }) => reference)).toEqual([
      { kind: 'private', path: 'a' },
      { kind: 'private', path: 'b' },
    ]);
    await forgetFolder(folders[0]!.id);
    expect(await listFolders()).toHaveLength(1);
  });
});

it('CRC-32 agrees with zlib', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32(bytes) === zlibCrc32(bytes)));
});

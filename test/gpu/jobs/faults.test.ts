/** Deliberate faults in training runs: what is lost, and that everything afterwards is as in an undisturbed run. */
import { wrap } from 'comlink';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEngineExecutor } from '../../../workers/compute/engine/executor.ts';
import { DeviceLostError } from '../../../workers/gpu/errors.ts';
import { DeviceLostTooOftenError, type ChooseTrainer } from '../../../workers/jobs/train/run_device.ts';
import { chooseExecutor } from '../../../workers/jobs/executors.ts';
import { RunBusyError } from '../../../workers/storage/run_lock.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { LibraryWorkerApi } from '../../../workers/protocol/models/library.ts';
import { loadNewestCheckpoint } from '../../../workers/storage/checkpoints.ts';
import { keysOf, openDatabase } from '../../../workers/storage/database.ts';
import {
  deleteRun,
  getRun,
  readSteps,
  readValidations,
  RunDeletedError,
} from '../../../workers/storage/runs.ts';
import { LossNotFiniteError } from '../../../workers/training/loop.ts';
import { isStep, ObservedRun, OPTIONS, privateSquares, squares } from './faults_support.ts';

let data: DirectoryReference[];

/** The engine on devices that the test can destroy. */
class EngineDevices {
  readonly opened: GPUDevice[] = [];

  readonly choose: ChooseTrainer = async () => ({
    device: { backend: 'webgpu', hasWebGpu: true, isSoftware: true, adapter: 'test', advice: '' },
    createTrainer: async (settings) => {
      const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
      this.opened.push(device);
      return createEngineExecutor(settings, { device });
    },
  });

  destroyNewest(): void {
    this.opened.at(-1)!.destroy();
  }
}

/** Runs on WebAssembly, which starts faster, with simulated losses of the device. */
class SimulatedDevices {
  opened = 0;
  #isLost = false;

  readonly choose: ChooseTrainer = async () => {
    const { device, createTrainer } = await chooseExecutor({ backend: 'wasm' });
    return {
      device,
      createTrainer: async (settings) => {
        const executor = await createTrainer(settings);
        this.opened++;
        this.#isLost = false;
        return new Proxy(executor, {
          get: (target, property) => {
            const value: unknown = Reflect.get(target, property, target);
            if (typeof value !== 'function') return value;
            if (property === 'dispose') return () => target.dispose();
            return async (...values: unknown[]) => {
              const result: unknown = await (value as (...values: unknown[]) => unknown).apply(
                target,
                values,
              );
              if (this.#isLost) throw new DeviceLostError('simulated');
              return result;
            };
          },
        });
      },
    };
  };

  loseNewest(): void {
    this.#isLost = true;
  }
}

/** Losses of an undisturbed run on WebAssembly. */
let undisturbed: [number, number][];

beforeAll(async () => {
  data = [await squares()];
  const run = new ObservedRun({ options: OPTIONS, data });
  await run.end;
  undisturbed = [...run.losses];
  expect(undisturbed.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(undisturbed.every(([, loss]) => Number.isFinite(loss))).toBe(true);
  await run.forget();
});

afterEach(() => {
  vi.restoreAllMocks();
});

const startedAfter = (run: ObservedRun): number[] =>
  run.events.flatMap((event) => (event.kind === 'started' ? [event.run.step] : []));

describe('a lost GPU', () => {
  it('costs the steps since the last checkpoint, twice in a run; all losses are those of an undisturbed one', async () => {
    const whole = new ObservedRun({ options: OPTIONS, data }, undefined, new EngineDevices().choose);
    await whole.end;
    const devices = new EngineDevices();
    const faults = [3, 5];
    const lostAt: number[] = [];
    const goingOnMs: number[] = [];
    const run = new ObservedRun(
      { options: OPTIONS, data },
      (event) => {
        if (event.kind === 'started' && lostAt.length > goingOnMs.length)
          goingOnMs.push(performance.now() - lostAt.at(-1)!);
        if (event.kind !== 'step' || event.record.step !== faults[0]) return;
        faults.shift();
        lostAt.push(performance.now());
        devices.destroyNewest();
      },
      devices.choose,
    );
    await run.end;
    console.log(`device.destroy(): the run goes on after ${goingOnMs.map(Math.round).join(' and ')} ms`);
    expect(devices.opened).toHaveLength(3);
    expect(whole.losses.size).toBe(6);
    expect([...run.losses]).toEqual([...whole.losses]);
    expect(run.steps.length).toBeGreaterThan(6);
    expect(startedAfter(run)).toEqual([0, 2, 4]);
    expect(run.warnings.filter((message) => /GPU was lost after step/.test(message))).toHaveLength(2);
    expect((await readSteps(run.runId)).map(({ step, totalLoss }) => [step, totalLoss])).toEqual([
      ...whole.losses,
    ]);
    expect((await getRun(run.runId))!.status).toBe('finished');
    await run.forget();
    await whole.forget();
  });

  it('before the first checkpoint starts the run again, and during a pause costs nothing', async () => {
    const devices = new SimulatedDevices();
    let refusals = 0;
    let hasPaused = false;
    const run = new ObservedRun(
      { options: OPTIONS, data },
      (event) => {
        if (isStep(event, 1) && devices.opened === 1) devices.loseNewest();
        if (!isStep(event, 5) || hasPaused) return;
        hasPaused = true;
        void run.control.pause().then(() => {
          devices.loseNewest();
          run.control.resume();
        });
      },
      async (choice) => {
        // A GPU that takes some time to come back.
        if (devices.opened === 1 && refusals++ < 2) throw new Error('There is no adapter just now.');
        return devices.choose(choice);
      },
    );
    await run.end;
    expect(refusals).toBe(3);
    expect(startedAfter(run)).toEqual([0, 0, 5]);
    expect([...run.losses]).toEqual(undisturbed);
    await run.forget();
  });

  it('repeatedly without a checkpoint in between stops the run, which can be resumed later', async () => {
    const devices = new SimulatedDevices();
    const run = new ObservedRun(
      { options: OPTIONS, data },
      (event) => {
        if (isStep(event, 3)) devices.loseNewest();
      },
      devices.choose,
    );
    await expect(run.end).rejects.toThrow(DeviceLostTooOftenError);
    expect(devices.opened).toBe(3);
    expect(run.statuses).toEqual(['failed']);
    expect((await getRun(run.runId))!.error).toMatch(/up to step 2 is kept.*batch_size/);
    const second = new ObservedRun({ options: OPTIONS, data, resumeRunId: run.runId });
    await second.end;
    expect([...second.losses]).toEqual(undisturbed.slice(2));
    await run.forget();
  });

  it('between an epoch’s checkpoint and its validation has the validation done', async () => {
    const devices = new SimulatedDevices();
    const run = new ObservedRun(
      {
        options: {
          ...OPTIONS,
          max_nrof_epochs: 1,
          validation_set_split_ratio: 0.25,
          validate_every_n_epochs: 1,
        },
        data,
      },
      (event) => {
        if (event.kind === 'checkpoint' && devices.opened === 1) devices.loseNewest();
      },
      devices.choose,
    );
    await run.end;
    expect(devices.opened).toBe(2);
    expect(await readValidations(run.runId)).toHaveLength(1);
    expect(run.events.filter(({ kind }) => kind === 'validation')).toHaveLength(1);
    await run.forget();
  });

  it('together with a full disk: the checkpoint that found no room is still there in memory', async () => {
    fillDisk((store) => store === 'chunks');
    const devices = new SimulatedDevices();
    const run = new ObservedRun(
      { options: OPTIONS, data },
      (event) => {
        if (isStep(event, 5) && devices.opened === 1) devices.loseNewest();
      },
      devices.choose,
    );
    await run.end;
    expect([...run.losses]).toEqual(undisturbed);
    expect(startedAfter(run)).toEqual([0, 4]);
    await run.forget();
  });
});

/** Refuses to store values like a full disk. @param refuses decides for each value */
function fillDisk(refuses: (store: string, value: Record<string, unknown>) => boolean): void {
  const put = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
    this: IDBObjectStore,
    value: Record<string, unknown>,
    key?: IDBValidKey,
  ) {
    if (refuses(this.name, value)) throw new DOMException('The disk is full.', 'QuotaExceededError');
    return put.call(this, value, key);
  });
}

describe('a loss that is NaN', () => {
  it('ends the run as failed, says what to try, and keeps the last good checkpoint', async () => {
    const diverging = {
      ...OPTIONS,
      optimizer: 'ADAGRAD' as const,
      learning_rate: -1,
      // The highest rate that is accepted moves the prelogits far enough for this norm to overflow.
      learning_rate_schedule: '0: 0.01\n2: 1000\n',
      prelogits_norm_p: 60,
      prelogits_norm_loss_factor: 1,
    };
    const run = new ObservedRun({ options: diverging, data }, undefined, new EngineDevices().choose);
    await expect(run.end).rejects.toThrow(LossNotFiniteError);
    const stored = (await getRun(run.runId))!;
    expect(stored.status).toBe('failed');
    expect(stored.error).toMatch(/diverged.*learning rate.*ADAM/);
    expect(run.statuses).toEqual(['failed']);
    const checkpoint = (await loadNewestCheckpoint(run.runId))!;
    expect(checkpoint.step).toBe(2);
    for (const { data: values } of checkpoint.parameters.values())
      expect(values.every((value) => Math.abs(value) < 1e6)).toBe(true);
    await run.forget();
  });
});

describe('a full disk', () => {
  const storedSteps = async (): Promise<number[]> =>
    (await (await openDatabase()).getAll('checkpoints')).map(({ step }) => step).sort();

  it('is foreseen', async () => {
    vi.spyOn(navigator.storage, 'estimate').mockResolvedValue({ usage: 90e6, quota: 100e6 });
    const run = new ObservedRun({ options: { ...OPTIONS, max_nrof_epochs: 1 }, data });
    await run.end;
    const size = run.events.flatMap((event) => (event.kind === 'checkpoint' ? [event.sizeBytes] : []))[0]!;
    const expected = `10 MB of storage left for this page, but the 3 checkpoints of this run need ${Math.round((3 * size) / 1e6)} MB`;
    expect(run.warnings.filter((message) => message.includes(expected))).toHaveLength(
      3 * size > 10e6 ? 1 : 0,
    );
    expect(size).toBeGreaterThan(10e6 / 3);
    await run.forget();
  });

  it('costs the oldest checkpoints, then the new one, and never the run', async () => {
    const refused: number[] = [];
    fillDisk((store, value) => {
      if (store !== 'chunks') return false;
      const step = Number(String(value.checkpointId).split('/')[1]);
      // There is room for the third once the first is deleted, but none for the last, whatever is deleted.
      const isRefused = step === 8 || (step === 6 && refused.length === 0);
      if (isRefused) refused.push(step);
      return isRefused;
    });
    const kept: Promise<number[]>[] = [];
    const run = new ObservedRun({ options: { ...OPTIONS, max_nrof_epochs: 4 }, data }, (event) => {
      if (event.kind === 'checkpoint') kept.push(storedSteps());
    });
    await run.end;
    expect([...run.losses].slice(0, 6)).toEqual(undisturbed);
    expect(refused).toEqual([6, 8, 8]);
    expect(await Promise.all(kept)).toEqual([[2], [2, 4], [4, 6]]);
    expect(await storedSteps()).toEqual([6]);
    expect((await getRun(run.runId))!.status).toBe('finished');
    expect(run.warnings.filter((message) => /no room for a checkpoint/.test(message))).toHaveLength(1);
    await run.forget();
  });

  it('that does not even take measurements only warns; they are stored later', async () => {
    let isFull = true;
    fillDisk((store) => isFull && ['steps', 'runs', 'validations'].includes(store));
    const run = new ObservedRun(
      { options: { ...OPTIONS, validation_set_split_ratio: 0.25, validate_every_n_epochs: 1 }, data },
      (event) => {
        if (isStep(event, 5)) isFull = false;
      },
    );
    await run.end;
    expect(run.losses.size).toBe(6);
    expect((await readSteps(run.runId)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await getRun(run.runId))!.status).toBe('finished');
    expect(run.warnings.filter((message) => message.startsWith('The measurements'))).toHaveLength(1);
    await run.forget();
  });
});

describe('a folder whose permission is withdrawn', () => {
  it('pauses the run with a checkpoint; after a click it resumes with the same losses', async () => {
    const folder = await privateSquares('test-faults');
    let isWithdrawn = false;
    const getFile = FileSystemFileHandle.prototype.getFile;
    vi.spyOn(FileSystemFileHandle.prototype, 'getFile').mockImplementation(function (
      this: FileSystemFileHandle,
    ) {
      return isWithdrawn
        ? Promise.reject(new DOMException('Not allowed.', 'NotAllowedError'))
        : getFile.call(this);
    });
    const run = new ObservedRun({ options: { ...OPTIONS, batch_size: 3 }, data: [folder] }, (event) => {
      // Four steps read every photo; the first two have been read ahead.
      if (event.kind === 'started') isWithdrawn = true;
      if (event.kind !== 'status' || event.status !== 'paused') return;
      setTimeout(() => {
        isWithdrawn = false;
        run.control.resume();
      }, 50);
    });
    await run.end;
    const whole = new ObservedRun({ options: { ...OPTIONS, batch_size: 3 }, data });
    await whole.end;
    expect([...run.losses]).toEqual([...whole.losses]);
    expect(run.statuses).toEqual(['paused', 'running', 'finished']);
    const paused = run.events.find((event) => event.kind === 'status');
    expect(paused).toMatchObject({ message: expect.stringMatching(/no longer allows access.*test-faults/) });
    await run.forget();
    await whole.forget();
  });

  it('and a run that is stopped instead is complete', async () => {
    const folder = await privateSquares('test-faults');
    const getFile = FileSystemFileHandle.prototype.getFile;
    let isWithdrawn = false;
    vi.spyOn(FileSystemFileHandle.prototype, 'getFile').mockImplementation(function (
      this: FileSystemFileHandle,
    ) {
      return isWithdrawn
        ? Promise.reject(new DOMException('Not allowed.', 'NotAllowedError'))
        : getFile.call(this);
    });
    const run = new ObservedRun(
      { options: { ...OPTIONS, batch_size: 2, epoch_size: 20, max_nrof_epochs: 1 }, data: [folder] },
      (event) => {
        if (isStep(event, 2)) isWithdrawn = true;
        if (event.kind === 'status' && event.status === 'paused') void run.control.stop();
      },
    );
    await run.end;
    const stored = (await getRun(run.runId))!;
    expect(stored.status).toBe('stopped');
    expect(stored.step).toBeGreaterThanOrEqual(2);
    expect((await loadNewestCheckpoint(run.runId))!.step).toBe(stored.step);
    await run.forget();
  });
});

describe('a second tab', () => {
  it('cannot train a run that is in progress', async () => {
    let refusal: Promise<unknown> | undefined;
    const run = new ObservedRun({ options: { ...OPTIONS, max_nrof_epochs: 1 }, data }, (event) => {
      if (!isStep(event, 1)) return;
      refusal = new ObservedRun({ options: OPTIONS, data, resumeRunId: run.runId }).end.catch(
        (error: unknown) => error,
      );
    });
    await run.end;
    const error = await refusal;
    expect(error).toBeInstanceOf(RunBusyError);
    expect((error as Error).message).toMatch(/another tab/);
    expect([...run.losses]).toEqual(undisturbed.slice(0, 2));
    await run.forget();
  });
});

describe('a dataset that vanishes', () => {
  const FOLDER = 'test-faults-vanishing';
  const remove = async (): Promise<void> =>
    (await navigator.storage.getDirectory()).removeEntry(FOLDER, { recursive: true });

  it('pauses the run, though every photo is cached; back in its place, the run resumes with the same losses', async () => {
    const folder = await privateSquares(FOLDER);
    const run = new ObservedRun({ options: OPTIONS, data: [folder] }, (event) => {
      // Two steps per epoch, four photos per step, twelve photos: all have been read ahead by then.
      if (isStep(event, 3)) void remove();
      if (event.kind !== 'status' || event.status !== 'paused') return;
      void privateSquares(FOLDER).then(() => run.control.resume());
    });
    await run.end;
    expect([...run.losses]).toEqual(undisturbed);
    expect(run.statuses).toEqual(['paused', 'running', 'finished']);
    expect(run.events.find((event) => event.kind === 'status')).toMatchObject({
      message: expect.stringMatching(/"test-faults-vanishing" is missing or empty.*Resume/),
    });
    await run.forget();
    await remove();
  });

  it('and a run that is stopped instead is complete', async () => {
    const folder = await privateSquares(FOLDER);
    const run = new ObservedRun({ options: OPTIONS, data: [folder] }, (event) => {
      if (isStep(event, 1)) void remove();
      if (event.kind === 'status' && event.status === 'paused') void run.control.stop();
    });
    await run.end;
    const stored = (await getRun(run.runId))!;
    expect(stored.status).toBe('stopped');
    expect((await loadNewestCheckpoint(run.runId))!.step).toBe(stored.step);
    await run.forget();
  });
});

describe('what is stored of a run', () => {
  const storedOf = async (runId: string): Promise<number> => {
    const database = await openDatabase();
    let count = await database.countFromIndex('checkpoints', 'byRun', runId);
    for (const store of ['steps', 'validations', 'evaluations', 'prelogits'] as const)
      count += await database.count(store, keysOf(runId));
    const chunks = await database.getAllKeys('chunks');
    return count + chunks.filter(([id]) => id.startsWith(`${runId}/`)).length;
  };

  it('that is deleted in progress ends the run, which says so and stores nothing more', async () => {
    const run = new ObservedRun(
      { options: { ...OPTIONS, max_nrof_epochs: 40 }, data },
      (event, { runId }) => {
        if (isStep(event, 3)) void deleteRun(runId);
      },
    );
    await expect(run.end).rejects.toThrow(RunDeletedError);
    expect(run.steps.at(-1)).toBeLessThan(80);
    expect(run.events.at(-1)).toMatchObject({ kind: 'status', status: 'failed' });
    expect(await getRun(run.runId)).toBeUndefined();
    expect(await storedOf(run.runId)).toBe(0);
  });

  it('cannot be deleted by others while in progress, alone or with everything', async () => {
    const worker = new Worker(new URL('../../../workers/library.worker.ts', import.meta.url), {
      type: 'module',
    });
    const library = wrap<LibraryWorkerApi>(worker);
    const refusals: Promise<unknown>[] = [];
    const run = new ObservedRun({ options: { ...OPTIONS, max_nrof_epochs: 1 }, data }, (event, { runId }) => {
      if (event.kind !== 'started') return;
      for (const work of [library.deleteRun(runId), library.deleteEverything()])
        refusals.push(work.catch((error: unknown) => error));
    });
    await expect.poll(() => refusals.length).toBe(2);
    const [one, all] = await Promise.all(refusals);
    expect(one).toMatchObject({ name: 'RunBusyError' });
    expect(all).toMatchObject({ name: 'JobRunningError', message: expect.stringContaining(run.runId) });
    await run.end;
    expect((await getRun(run.runId))!.status).toBe('finished');
    await library.deleteRun(run.runId);
    expect(await getRun(run.runId)).toBeUndefined();
    worker.terminate();
  });

  it('is not stored if no network can be made for it', async () => {
    const before = (await (await openDatabase()).getAllKeys('runs')).length;
    const run = new ObservedRun({ options: OPTIONS, data }, undefined, async () => {
      throw new Error('does not fit');
    });
    await expect(run.end).rejects.toThrow('does not fit');
    expect((await (await openDatabase()).getAllKeys('runs')).length).toBe(before);
  });
});

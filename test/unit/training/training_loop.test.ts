import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../../workers/protocol/train/runs.ts';
import type { Trainer, LabelledBatch } from '../../../workers/compute/executor.ts';
import type { StepMetrics } from '../../../workers/protocol/train/runs.ts';
import { LossNotFiniteError, runTrainingLoop, type LoopHooks } from '../../../workers/training/loop.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';

const METRICS: StepMetrics = {
  totalLoss: 1,
  crossEntropy: 1,
  regularization: 0,
  prelogitsNorm: 0,
  centerLoss: 0,
  accuracy: 0.5,
};

/** Resolves with a delay, and records how many steps were in flight. */
function slowExecutor(stepsInFlight: number, lossOf: (step: number) => number = () => 1) {
  const seen = { steps: [] as number[], rates: [] as number[], mostInFlight: 0, inFlight: 0 };
  const executor = {
    stepsInFlight,
    async trainStep(_batch: LabelledBatch, step: number, rate: number): Promise<StepMetrics> {
      seen.steps.push(step);
      seen.rates.push(rate);
      seen.mostInFlight = Math.max(seen.mostInFlight, ++seen.inFlight);
      await new Promise((resolve) => setTimeout(resolve, 2));
      seen.inFlight--;
      return { ...METRICS, totalLoss: lossOf(step) };
    },
  } as unknown as Trainer;
  return { executor, seen };
}

function recordingHooks(overrides: Partial<LoopHooks> = {}) {
  const log: string[] = [];
  const records: StepRecord[] = [];
  const hooks: LoopHooks = {
    nextBatch: async () => ({}) as LabelledBatch,
    onStep: (record) => {
      records.push(record);
      log.push(`step ${record.step}`);
    },
    onEpochEnd: async (epoch, step) => void log.push(`epoch ${epoch} after ${step}`),
    interruption: () => undefined,
    onInterruption: async (what, step) => void log.push(`${what} before ${step}`),
    ...overrides,
  };
  return { hooks, log, records };
}

const options = { ...defaultTrainingOptions(), epoch_size: 3, max_nrof_epochs: 2, learning_rate: 0.1 };

describe('the training loop', () => {
  it.each([1, 3])(
    'does every step in order with %i in flight, and drains before an epoch’s end',
    async (depth) => {
      const { executor, seen } = slowExecutor(depth);
      const { hooks, log, records } = recordingHooks();
      expect(await runTrainingLoop(executor, options, 0, hooks)).toBe('finished');
      expect(seen.steps).toEqual([0, 1, 2, 3, 4, 5]);
      expect(seen.mostInFlight).toBe(depth);
      expect(log).toEqual([
        'step 1',
        'step 2',
        'step 3',
        'epoch 1 after 3',
        'step 4',
        'step 5',
        'step 6',
        'epoch 2 after 6',
      ]);
      expect(records.map(({ epoch, batch }) => [epoch, batch])).toEqual([
        [1, 1],
        [1, 2],
        [1, 3],
        [2, 1],
        [2, 2],
        [2, 3],
      ]);
    },
  );

  it('resumes from a step', async () => {
    const { executor, seen } = slowExecutor(1);
    await runTrainingLoop(executor, options, 4, recordingHooks().hooks);
    expect(seen.steps).toEqual([4, 5]);
  });

  it('stops where the schedule says so', async () => {
    const { executor, seen } = slowExecutor(2);
    const scheduled = { ...options, learning_rate: -1, learning_rate_schedule: '0: 0.05\n2: -1' };
    expect(await runTrainingLoop(executor, scheduled, 0, recordingHooks().hooks)).toBe('finished');
    expect(seen.rates).toEqual([0.05, 0.05, 0.05]);
  });

  it('drains, then stops, when asked to', async () => {
    const { executor } = slowExecutor(3);
    const recorded: ReturnType<typeof recordingHooks> = recordingHooks({
      interruption: () => (recorded.records.length >= 1 ? 'stop' : undefined),
    });
    expect(await runTrainingLoop(executor, options, 0, recorded.hooks)).toBe('stopped');
    expect(recorded.log.at(-1)).toBe('stop before 3');
    expect(recorded.records).toHaveLength(3);
  });

  it('takes a request between any two steps, even when nothing in them waits', async () => {
    const steps: number[] = [];
    const executor = {
      stepsInFlight: 1,
      async trainStep(_batch: LabelledBatch, step: number): Promise<StepMetrics> {
        steps.push(step);
        return METRICS;
      },
    } as unknown as Trainer;
    let asked: 'stop' | undefined;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      asked = 'stop';
      port1.close();
    };
    port2.postMessage('stop');
    const { hooks } = recordingHooks({ interruption: () => asked });
    const long = { ...options, epoch_size: 1000 };
    expect(await runTrainingLoop(executor, long, 0, hooks)).toBe('stopped');
    expect(steps.length).toBeLessThan(50);
  });

  it('refuses to continue with a NaN loss, and names the step', async () => {
    const { executor } = slowExecutor(3, (step) => (step === 2 ? NaN : 1));
    const { hooks, records } = recordingHooks();
    const run = runTrainingLoop(executor, { ...options, epoch_size: 10 }, 0, hooks);
    await expect(run).rejects.toThrow(LossNotFiniteError);
    await expect(run).rejects.toThrow(/step 3/);
    expect(records).toHaveLength(2);
  });
});

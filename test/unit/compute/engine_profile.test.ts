/** The benchmark's summary of the times of single dispatches. */
import { describe, expect, it } from 'vitest';
import { describeProfile, profileTraining, summarize } from '../../../bench/engine/engine_profile.ts';
import type { EngineExecutor } from '../../../workers/compute/engine/executor.ts';
import type { Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import { GraphBuilder } from '../../../workers/compute/graph/builder.ts';

const builder = new GraphBuilder();
let layer = builder.convolution(builder.input(3), 4, 3, 'Conv2d_1');
layer = builder.scope('Block', () => builder.convolution(layer, 4, 3, 'Conv2d_2'));
layer = builder.maxPool(layer, 'MaxPool', { size: 2, stride: 2, padding: 'SAME' });
const prelogits = builder.dense(builder.globalAveragePool(layer), 4, 'Bottleneck', 'batch_norm');
const graph = builder.finish('tiny', prelogits, 2, 8);

const DISPATCHES = [
  ['Conv2d_1 forward', 2e6, 4],
  ['Conv2d_1/BatchNorm normalize', 0, 1],
  ['Block/Conv2d_2 forward', 4e6, 2],
  ['MaxPool pool', 0, 0.5],
  ['MaxPool gradient', 0, 0.25],
  ['softmax cross entropy', 0, 0.25],
] as const;
const dispatches = DISPATCHES.map(([name, operations]) => ({ kernel: { name } as Kernel, operations }));
const times = DISPATCHES.map(([, , milliseconds]) => milliseconds);

describe('profile', () => {
  it('adds up the dispatches of a kind, the longest first', () => {
    const profile = summarize(dispatches, times, graph);
    expect(profile.milliseconds).toBe(8);
    expect(profile.kinds).toEqual([
      { kind: 'conv2d forward', dispatches: 2, milliseconds: 6, share: 0.75, gflops: 1 },
      { kind: 'batch norm normalize', dispatches: 1, milliseconds: 1, share: 0.125, gflops: 0 },
      { kind: 'max pool', dispatches: 1, milliseconds: 0.5, share: 0.0625, gflops: 0 },
      { kind: 'max pool gradient', dispatches: 1, milliseconds: 0.25, share: 0.03125, gflops: 0 },
      { kind: 'softmax cross entropy', dispatches: 1, milliseconds: 0.25, share: 0.03125, gflops: 0 },
    ]);
    expect(profile.slowest[0]).toEqual({ kernel: 'Conv2d_1 forward', milliseconds: 4, gflops: 0.5 });
    expect(profile.slowest[1]).toEqual({ kernel: 'Block/Conv2d_2 forward', milliseconds: 2, gflops: 2 });
    expect(describeProfile(profile).join('\n')).toMatch(/conv2d forward +2 +6\.00 +75\.0% +1\.00/);
  });

  it('names ten dispatches at most', () => {
    const many = Array.from({ length: 30 }, () => dispatches[0]!);
    expect(summarize(many, Array<number>(30).fill(1), graph).slowest).toHaveLength(10);
  });

  it('says why there is none if the adapter has no timestamps', async () => {
    const executor = { device: { device: { features: new Set() } } } as unknown as EngineExecutor;
    const profile = await profileTraining(executor, graph);
    expect(profile).toHaveProperty('unavailable');
    expect(describeProfile(profile).join('\n')).toContain('timestamp-query');
  });
});

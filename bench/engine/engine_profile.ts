/**
 * GPU time of a training step by kernel: each dispatch is in a separate compute pass between two timestamps. The
 * passes follow each other, so their sum is close to the time of the step plus the overhead of the passes.
 */
import { GpuError } from '../../workers/gpu/errors.ts';
import type { Dispatch } from '../../workers/compute/engine/dispatcher.ts';
import type { EngineExecutor } from '../../workers/compute/engine/executor.ts';
import type { Graph } from '../../workers/compute/graph/ir.ts';

export interface KernelKindTime {
  readonly kind: string;
  readonly dispatches: number;
  readonly milliseconds: number;
  /** The share of the time of all dispatches. */
  readonly share: number;
  /** 0 for kernels that only move memory, whose operations are not counted. */
  readonly gflops: number;
}

export interface DispatchTime {
  readonly kernel: string;
  readonly milliseconds: number;
  readonly gflops: number;
}

export interface EngineProfile {
  /** Sum over all dispatches. */
  readonly milliseconds: number;
  /** Kinds of kernels, the longest first. */
  readonly kinds: readonly KernelKindTime[];
  readonly slowest: readonly DispatchTime[];
}

/** Why there is no profile. */
export interface ProfileUnavailable {
  readonly unavailable: string;
}

/** A query set has at most 4,096 entries, and each dispatch needs two. */
const DISPATCHES_PER_SUBMISSION = 1024;
/** As in dispatcher.ts: operations per submission. */
const OPERATIONS_PER_SUBMISSION = { software: 4e9, hardware: 2e11 } as const;
const SLOWEST = 10;
/** For shorter steps, the best of several measurements counts. */
const SHORT_STEP_MS = 1000;
const REPETITIONS = 5;

/**
 * Runs the training program again, on the data of the last step.
 * @throws GpuError
 */
export async function profileTraining(
  executor: EngineExecutor,
  graph: Graph,
): Promise<EngineProfile | ProfileUnavailable> {
  const { device } = executor.device;
  if (!device.features.has('timestamp-query'))
    return {
      unavailable:
        'This adapter offers no timestamp-query, without which the time of single kernels cannot be measured. ' +
        'Chromium has it with a GPU driver that does; try --runtime node, too.',
    };
  const dispatches = executor.run.program('training');
  let milliseconds = await timeDispatches(executor, dispatches);
  for (let again = 1; again < REPETITIONS && sumOf(milliseconds) < SHORT_STEP_MS; again++) {
    const next = await timeDispatches(executor, dispatches);
    milliseconds = milliseconds.map((best, index) => Math.min(best, next[index]!));
  }
  return summarize(dispatches, milliseconds, graph);
}

/** @returns milliseconds of each dispatch */
async function timeDispatches(executor: EngineExecutor, dispatches: readonly Dispatch[]): Promise<number[]> {
  const { traits } = executor.device;
  const limit = OPERATIONS_PER_SUBMISSION[traits.isSoftware ? 'software' : 'hardware'];
  const milliseconds: number[] = [];
  while (milliseconds.length < dispatches.length) {
    const chunk: Dispatch[] = [];
    let operations = 0;
    for (const dispatch of dispatches.slice(milliseconds.length)) {
      if (chunk.length >= DISPATCHES_PER_SUBMISSION || operations >= limit) break;
      chunk.push(dispatch);
      operations += dispatch.operations;
    }
    milliseconds.push(...(await timeChunk(executor, chunk)));
  }
  return milliseconds;
}

async function timeChunk(executor: EngineExecutor, chunk: readonly Dispatch[]): Promise<number[]> {
  const { device } = executor.device;
  const count = 2 * chunk.length;
  const { querySet, resolved, readback } = await executor.device.checked('timestamps', 16 * count, () => ({
    querySet: device.createQuerySet({ type: 'timestamp', count }),
    resolved: device.createBuffer({
      label: 'timestamps',
      size: 8 * count,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    }),
    readback: device.createBuffer({
      label: 'timestamps read back',
      size: 8 * count,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    }),
  }));
  try {
    const encoder = device.createCommandEncoder({ label: 'profile' });
    for (const [index, { pipeline, bindGroup, x, y }] of chunk.entries()) {
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet,
          beginningOfPassWriteIndex: 2 * index,
          endOfPassWriteIndex: 2 * index + 1,
        },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readback, 0, 8 * count);
    device.queue.submit([encoder.finish()]);
    await executor.device.guard(readback.mapAsync(GPUMapMode.READ), 'profile');
    const nanoseconds = new BigUint64Array(readback.getMappedRange());
    const milliseconds = chunk.map(
      (_, index) => Number(nanoseconds[2 * index + 1]! - nanoseconds[2 * index]!) / 1e6,
    );
    if (milliseconds.some((time) => time < 0))
      throw new GpuError('profile', 'the timestamps of a pass are not in order');
    return milliseconds;
  } finally {
    querySet.destroy();
    resolved.destroy();
    readback.destroy();
  }
}

/** Adds up the times. Separate from the device, for tests. */
export function summarize(
  dispatches: readonly Pick<Dispatch, 'kernel' | 'operations'>[],
  milliseconds: readonly number[],
  graph: Graph,
): EngineProfile {
  const total = sumOf(milliseconds);
  const nodeKinds = new Map<string, string>(graph.nodes.map(({ name, kind }) => [name, kind]));
  const kinds = new Map<string, { dispatches: number; milliseconds: number; operations: number }>();
  for (const [index, { kernel, operations }] of dispatches.entries()) {
    const kind = kindOf(kernel.name, nodeKinds);
    const sum = kinds.get(kind) ?? { dispatches: 0, milliseconds: 0, operations: 0 };
    kinds.set(kind, {
      dispatches: sum.dispatches + 1,
      milliseconds: sum.milliseconds + milliseconds[index]!,
      operations: sum.operations + operations,
    });
  }
  return {
    milliseconds: total,
    kinds: [...kinds]
      .map(([kind, sum]) => ({
        kind,
        dispatches: sum.dispatches,
        milliseconds: sum.milliseconds,
        share: sum.milliseconds / total,
        gflops: gflopsOf(sum.operations, sum.milliseconds),
      }))
      .sort((a, b) => b.milliseconds - a.milliseconds),
    slowest: dispatches
      .map(({ kernel, operations }, index) => ({
        kernel: kernel.name,
        milliseconds: milliseconds[index]!,
        gflops: gflopsOf(operations, milliseconds[index]!),
      }))
      .sort((a, b) => b.milliseconds - a.milliseconds)
      .slice(0, SLOWEST),
  };
}

/**
 * The kind of a kernel with the name `<node> <operation>`: the kind of its node and the operation; otherwise its name.
 */
function kindOf(kernel: string, nodeKinds: ReadonlyMap<string, string>): string {
  const space = kernel.indexOf(' ');
  const nodeKind = nodeKinds.get(kernel.slice(0, Math.max(space, 0)))?.replaceAll('_', ' ');
  if (nodeKind === undefined) return kernel;
  const work = kernel.slice(space + 1);
  if (work.startsWith(nodeKind)) return work;
  return nodeKind.split(' ').includes(work) ? nodeKind : `${nodeKind} ${work}`;
}

function gflopsOf(operations: number, milliseconds: number): number {
  return milliseconds > 0 ? operations / milliseconds / 1e6 : 0;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** The profile as readable lines. */
export function describeProfile(profile: EngineProfile | ProfileUnavailable): string[] {
  if ('unavailable' in profile) return ['', `No profile: ${profile.unavailable}`];
  const lines = [
    '',
    `GPU time of a training step, kernel by kernel: ${profile.milliseconds.toFixed(1)} ms`,
    'Kind of kernel                        dispatches        ms   share   GFLOP/s',
  ];
  const gflops = (value: number): string => (value > 0 ? value.toFixed(2) : '–').padStart(10);
  for (const { kind, dispatches, milliseconds, share, gflops: rate } of profile.kinds)
    lines.push(
      `${kind.padEnd(40)} ${String(dispatches).padStart(7)} ${milliseconds.toFixed(2).padStart(9)} ${(100 * share).toFixed(1).padStart(6)}% ${gflops(rate)}`,
    );
  lines.push('', 'Slowest dispatches                                                    ms   GFLOP/s');
  for (const { kernel, milliseconds, gflops: rate } of profile.slowest)
    lines.push(`${kernel.padEnd(62)} ${milliseconds.toFixed(2).padStart(9)} ${gflops(rate)}`);
  return lines;
}

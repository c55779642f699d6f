/**
 * float16 storage of activations, in Node with Dawn, because the software adapter of browsers has no half precision.
 * Without an adapter with `shader-f16` (llvmpipe has it), only the refusal is tested, in
 * test/gpu/engine/engine_executor.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { installWebGpu } from '../../cli/browser/node_webgpu.ts';
import { runConformance } from '../../workers/jobs/conformance/run.ts';
import { openDevice, type EngineDevice } from '../../workers/gpu/device.ts';
import { createEngineExecutor, type EngineExecutor } from '../../workers/compute/engine/executor.ts';
import { convolutionGeometry } from '../../workers/compute/engine/kernels/convolution_geometry.ts';
import { LOSS_SCALING } from '../../workers/compute/engine/kernels/loss_scale.ts';
import { defaultVariants, type GradientVariant } from '../../workers/compute/engine/variants.ts';
import { initializeParameters } from '../../workers/compute/graph/initialize.ts';
import type { NamedTensors } from '../../workers/protocol/tensor.ts';
import type { TrainerSettings } from '../../workers/compute/executor.ts';
import { checkBatchNorm, checkConvolution } from '../gpu/engine/engine_checks.ts';
import { smallBatch, smallSettings } from '../gpu/engine/engine_network.ts';

/** Half a unit in the last of the 11 bits of float16. */
const ROUNDING = 2 ** -11;
/** The error of the kernels' float32 arithmetic. */
const BOUND = 1e-5;
const FIXTURE = new URL('../../../shared/fixtures/inception-resnet-v1.json', import.meta.url);

const device = await deviceWithHalfPrecision();

async function deviceWithHalfPrecision(): Promise<EngineDevice | undefined> {
  try {
    await installWebGpu();
  } catch {
    return undefined;
  }
  const adapter = await navigator.gpu.requestAdapter();
  return adapter?.features.has('shader-f16') ? openDevice({ adapter }) : undefined;
}

const open = new Set<EngineExecutor>();
async function engine(overrides: Partial<TrainerSettings> = {}): Promise<EngineExecutor> {
  const executor = await createEngineExecutor(smallSettings({ precision: 'float16', ...overrides }));
  await executor.writeParameters(initializeParameters(executor.settings.graph, 5));
  open.add(executor);
  return executor;
}
afterEach(() => {
  for (const executor of open) executor.dispose();
  open.clear();
});
afterAll(() => device?.dispose());

async function train(executor: EngineExecutor, first: number, last: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = first; step < last; step++)
    losses.push((await executor.trainStep(smallBatch(step), step, 0.01)).totalLoss);
  return losses;
}

function bits(tensors: NamedTensors): Map<string, number[]> {
  return new Map([...tensors].map(([name, { data }]) => [name, [...new Uint32Array(data.slice().buffer)]]));
}

async function lossScale(
  executor: EngineExecutor,
): Promise<{ factor: number; goodSteps: number; skippedSteps: number }> {
  const [factor, goodSteps, skippedSteps] = (await executor.readState()).get('loss_scale')!.data;
  return { factor: factor!, goodSteps: goodSteps!, skippedSteps: skippedSteps! };
}

function withLossScale(factor: number, goodSteps = 0): NamedTensors {
  return new Map([['loss_scale', { shape: [3], data: Float32Array.of(factor, goodSteps, 0) }]]);
}

describe.skipIf(!device)('kernels over float16 (needs an adapter with shader-f16)', () => {
  const tile = {
    kind: 'tiled',
    blockRows: 64,
    blockColumns: 64,
    blockDepth: 16,
    threadRows: 4,
    threadColumns: 4,
  } as const;
  const shapes = {
    'aligned, 3×3': convolutionGeometry(
      { batch: 2, height: 9, width: 11, channels: 8 },
      12,
      [3, 3],
      1,
      'SAME',
    ),
    'odd channels, 1×7': convolutionGeometry(
      { batch: 1, height: 7, width: 6, channels: 5 },
      7,
      [1, 7],
      1,
      'SAME',
    ),
    'stride 2': convolutionGeometry({ batch: 2, height: 10, width: 9, channels: 16 }, 20, [3, 3], 2, 'SAME'),
  };
  for (const [name, shape] of Object.entries(shapes))
    // A software adapter takes long to compile tiles.
    for (const kind of name === 'stride 2' ? (['direct', 'tiled'] as const) : (['direct'] as const))
      it(`convolution: ${name}, ${kind}`, async () => {
        const isAligned = shape.channels % 4 === 0;
        const slice = isAligned ? { before: 4, after: 8 } : { before: 1, after: 2 };
        const variants = defaultVariants({ ...device!.traits, isSoftware: true });
        const check = (
          operation: Parameters<typeof checkConvolution>[1],
          variant: GradientVariant | ReturnType<typeof variants.convolution>,
        ): Promise<number> =>
          checkConvolution(device!, operation, shape, variant, slice, undefined, 'float16');
        for (const operation of ['forward', 'input_gradient'] as const) {
          const variant = kind === 'tiled' ? tile : variants.convolution(operation, shape);
          expect(await check(operation, variant), operation).toBeLessThan(ROUNDING + BOUND);
        }
        // Its result is float32, and so is the sum.
        const variant = kind === 'tiled' ? tile : variants.filterGradient(shape);
        expect(await check('filter_gradient', { ...variant, splits: 3 })).toBeLessThan(BOUND);
      });

  for (const [shape, slice] of [
    [
      { batch: 2, height: 5, width: 7, channels: 12 },
      { before: 4, after: 4 },
    ],
    [
      { batch: 3, height: 11, width: 9, channels: 7 },
      { before: 1, after: 3 },
    ],
  ] as const)
    it(`batch norm of ${shape.channels} channels`, async () => {
      const { output, inputGradient, ...float32 } = await checkBatchNorm(device!, shape, {
        cooperation: 'alone',
        relu: true,
        hasGamma: true,
        mean: 3,
        slice,
        elementType: 'float16',
      });
      expect(output).toBeLessThan(ROUNDING + BOUND);
      expect(inputGradient).toBeLessThan(ROUNDING + BOUND);
      for (const [name, error] of Object.entries(float32)) expect(error, name).toBeLessThan(3 * BOUND);
    });
});

describe.skipIf(!device)('training with float16 (needs an adapter with shader-f16)', () => {
  it('learns as with float32', async () => {
    const [half, single] = [await engine(), await engine({ precision: 'float32' })];
    expect(half.bytes).toBeLessThan(single.bytes);
    const [halfLosses, singleLosses] = [await train(half, 0, 60), await train(single, 0, 60)];
    // The forward pass of the first step differs only by rounding to 11 bits.
    expect(Math.abs(halfLosses[0]! / singleLosses[0]! - 1)).toBeLessThan(1e-3);
    const end = (losses: readonly number[]): number =>
      losses.slice(-20).reduce((sum, loss) => sum + loss, 0) / 20;
    expect(end(singleLosses)).toBeLessThan(0.75 * singleLosses[0]!);
    expect(Math.abs(end(halfLosses) - end(singleLosses))).toBeLessThan(0.02 * end(singleLosses));
    expect(await lossScale(half)).toEqual({ factor: LOSS_SCALING.initial, goodSteps: 60, skippedSteps: 0 });
  });

  it('repeats a run bit for bit, and resumes from what it read', async () => {
    // So large that the first steps are skipped, so the factor in the checkpoint matters.
    const start = withLossScale(2 ** 19);
    const whole = await engine();
    await whole.writeState(start);
    const losses = await train(whole, 0, 10);
    const half = await engine();
    await half.writeState(start);
    expect(await train(half, 0, 5)).toEqual(losses.slice(0, 5));
    const resumed = await engine();
    await resumed.writeParameters(await half.readParameters());
    await resumed.writeState(await half.readState());
    expect(await train(resumed, 5, 10)).toEqual(losses.slice(5));
    expect(bits(await resumed.readParameters())).toEqual(bits(await whole.readParameters()));
    expect(bits(await resumed.readState())).toEqual(bits(await whole.readState()));
    const { goodSteps, skippedSteps } = await lossScale(resumed);
    expect(skippedSteps).toBeGreaterThan(0);
    expect(goodSteps).toBeGreaterThan(0);
    expect(goodSteps).toBeLessThanOrEqual(10 - skippedSteps);
  });

  for (const optimizer of ['ADAM', 'MOM'] as const)
    it(`skips a step whose gradients overflow and halves the factor, ${optimizer}`, async () => {
      const executor = await engine({ optimizer });
      await train(executor, 0, 2);
      await executor.writeState(withLossScale(2 ** 40, 7));
      const trainable = executor.settings.graph.parameters.filter((spec) => spec.trainable);
      const read = async (): Promise<Map<string, number[]>> => {
        const parameters = await executor.readParameters();
        const state = await executor.readState();
        return bits(
          new Map([
            ...trainable.map(({ name }) => [name, parameters.get(name)!] as const),
            // Centres follow the prelogits, not the gradients.
            ...[...state].filter(([name]) => name !== 'loss_scale' && name !== 'centers'),
          ]),
        );
      };
      const before = await read();
      const [loss] = await train(executor, 2, 3);
      expect(loss).toSatisfy(Number.isFinite);
      expect(await read()).toEqual(before);
      expect(await lossScale(executor)).toEqual({ factor: 2 ** 39, goodSteps: 0, skippedSteps: 1 });
      // The factor is halved until a step is good, and then the run trains.
      let steps = 3;
      while ((await lossScale(executor)).goodSteps === 0) {
        expect(steps).toBeLessThan(60);
        await train(executor, steps, ++steps);
      }
      expect(await read()).not.toEqual(before);
      const { factor, skippedSteps } = await lossScale(executor);
      expect(factor).toBe(2 ** (40 - skippedSteps));
      expect(factor).toBeGreaterThanOrEqual(LOSS_SCALING.initial);
    });

  it('doubles the factor after many good steps, up to the largest', async () => {
    const executor = await engine();
    await executor.writeState(withLossScale(1024, LOSS_SCALING.growthInterval - 2));
    await train(executor, 0, 1);
    expect(await lossScale(executor)).toMatchObject({
      factor: 1024,
      goodSteps: LOSS_SCALING.growthInterval - 1,
    });
    await train(executor, 1, 2);
    expect(await lossScale(executor)).toMatchObject({ factor: 2048, goodSteps: 0 });
  });

  it('gives gradients that do not depend on the factor', async () => {
    const gradients: NamedTensors[] = [];
    for (const factor of [2 ** 10, 2 ** 12]) {
      const executor = await engine();
      await executor.writeState(withLossScale(factor));
      await train(executor, 0, 1);
      gradients.push(await executor.readGradients());
    }
    for (const [name, { data }] of gradients[0]!) {
      const other = gradients[1]!.get(name)!.data;
      const size = Math.hypot(...data);
      if (size < 1e-6) continue;
      expect(Math.hypot(...data.map((value, index) => value - other[index]!)) / size, name).toBeLessThan(
        2e-3,
      );
    }
  });

  it('ends with a NaN loss if the gradients are infinite by themselves', async () => {
    const executor = await engine();
    await executor.writeState(withLossScale(1));
    const parameters = await executor.readParameters();
    const [name, { shape, data }] = [...parameters].find(([key]) => key.endsWith('Logits/weights'))!;
    await executor.writeParameters(new Map([[name, { shape, data: data.map(() => 1e30) }]]));
    await train(executor, 0, 1);
    const [loss] = await train(executor, 1, 2);
    expect(loss).not.toSatisfy(Number.isFinite);
  });
});

it.skipIf(!device || !existsSync(FIXTURE))('meets its own bounds of conformance', async () => {
  const report = await runConformance(
    readFileSync(FIXTURE, 'utf8'),
    async () => (settings) => createEngineExecutor(settings),
    undefined,
    'float16',
  );
  expect(report.bounds.length).toBeGreaterThan(5);
  for (const { figure, holds } of report.bounds) expect(holds, figure).toBe(true);
});

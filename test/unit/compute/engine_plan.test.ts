/** The engine's plan, which needs no GPU: fusion, memory by lifetime, sizes and limits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defaultPixelBytes,
  largestBatch,
  reasonItDoesNotFit,
  planRun,
  requireFit,
} from '../../../workers/compute/engine/capacity.ts';
import { countDispatches } from '../../../workers/compute/engine/dispatcher.ts';
import { BatchTooLargeError } from '../../../workers/gpu/errors.ts';
import { flatLayout } from '../../../workers/compute/engine/flat_layout.ts';
import { fuseLayers } from '../../../workers/compute/engine/fuse.ts';
import {
  KernelBuilder,
  encodeNumbers,
  gridOf,
  shaderOf,
  usesHalfPrecision,
  type Kernel,
} from '../../../workers/compute/engine/kernels/kernel.ts';
import { lifetimes, planMemory } from '../../../workers/compute/engine/memory_plan.ts';
import {
  freshView,
  matrixView,
  storage,
  type ElementType,
  type Storage,
} from '../../../workers/compute/engine/tensor_view.ts';
import { chosenVariants } from '../../../workers/compute/engine/tuning.ts';
import { defaultVariants, variantKey } from '../../../workers/compute/engine/variants.ts';
import { type AdapterTraits } from '../../../workers/gpu/device.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { TrainerSettings } from '../../../workers/compute/executor.ts';
import { PRECISIONS } from '../../../workers/protocol/train/options.ts';
import { smallGraph, smallSettings } from '../../gpu/engine/engine_network.ts';

const SOFTWARE: AdapterTraits = { isSoftware: true, maximumInvocations: 256, maximumWorkgroupBytes: 32768 };
const HARDWARE: AdapterTraits = { ...SOFTWARE, isSoftware: false };
/** Common limits of desktop adapters. */
const LIMITS = { maxBufferSize: 2 ** 32 - 4, maxStorageBufferBindingSize: 2 ** 31 - 4 };

function faceNetSettings(batchSize: number, imageSize: number, classes = 10575): TrainerSettings {
  const graph = buildModel('inception_resnet_v1', { embeddingSize: 512, classes });
  return smallSettings({ graph, batchSize, imageSize });
}

describe('fuseLayers', () => {
  it('computes every node in one layer, after those it reads', () => {
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 128, classes: 10 });
    const layers = fuseLayers(graph);
    const done = new Set<string>();
    for (const layer of layers) {
      for (const input of layer.inputs) expect(done, layer.output).toContain(input);
      done.add(layer.output);
    }
    const products = layers.filter((layer) => layer.kind === 'product');
    // 132 convolutions, Bottleneck and Logits.
    expect(products).toHaveLength(134);
    expect(products.filter((layer) => layer.residual)).toHaveLength(21);
    expect(products.filter((layer) => layer.norm)).toHaveLength(112);
    expect(layers.every((layer) => layer.node.kind !== 'relu' && layer.node.kind !== 'batch_norm')).toBe(
      true,
    );
    for (const name of Object.values(graph.outputs)) expect(done).toContain(name);
  });
});

describe('flatLayout', () => {
  it('puts decayed parameters first, none over another, all aligned', () => {
    const graph = smallGraph();
    const layout = flatLayout(graph);
    const ends = new Map<string, number>();
    for (const spec of [...graph.parameters].sort(
      (a, b) => layout.region(a.name).offset - layout.region(b.name).offset,
    )) {
      const { buffer, offset, floats } = layout.region(spec.name);
      expect(offset % 64).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(ends.get(buffer) ?? 0);
      ends.set(buffer, offset + floats);
      expect(buffer).toBe(spec.trainable ? 'parameters' : 'statistics');
      if (spec.trainable) expect(offset < layout.regularizedFloats).toBe(spec.regularized);
    }
  });
});

describe('planMemory', () => {
  const kernelOf = (storages: readonly Storage[]): Kernel => {
    const builder = new KernelBuilder();
    storages.forEach((memory, index) => builder.memory(`memory_${index}`, memory, 'f32', 'write'));
    return builder.build({ name: 'kernel', body: '', workgroupSize: 1, groups: 1 });
  };
  it('never gives one place to two storages that are alive together', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ floats: fc.integer({ min: 1, max: 5000 }), first: fc.nat(20), length: fc.nat(10) }),
          { minLength: 1, maxLength: 40 },
        ),
        fc.integer({ min: 5120, max: 20000 }),
        (specs, maximumBlock) => {
          const storages = specs.map(({ floats }, index) => storage(`storage ${index}`, floats));
          const kernels = Array.from({ length: 31 }, (_, at) =>
            kernelOf(
              storages.filter(
                (_, index) => at >= specs[index]!.first && at <= specs[index]!.first + specs[index]!.length,
              ),
            ),
          );
          const { placements, blocks } = planMemory(kernels, maximumBlock);
          const alive = lifetimes(kernels);
          expect(alive).toHaveLength(storages.length);
          for (const a of alive) {
            const place = placements.get(a.storage)!;
            expect(place.offset % 64).toBe(0);
            expect(place.offset + a.floats).toBeLessThanOrEqual(blocks[place.block]!);
            expect(blocks[place.block]).toBeLessThanOrEqual(maximumBlock);
            for (const b of alive) {
              const other = placements.get(b.storage)!;
              if (a === b || place.block !== other.block || a.last < b.first || b.last < a.first) continue;
              const apart =
                place.offset + a.floats <= other.offset || other.offset + b.floats <= place.offset;
              expect(apart).toBe(true);
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('planRun', () => {
  for (const [name, traits] of [
    ['software', SOFTWARE],
    ['hardware', HARDWARE],
  ] as const)
    it(`trains batches of 90 at 160 pixels in 3.0 GB and 1,200 dispatches (${name} adapter)`, () => {
      const run = planRun(faceNetSettings(90, 160), LIMITS, defaultVariants(traits));
      expect(reasonItDoesNotFit(run, LIMITS)).toBeUndefined();
      expect(run.bytes).toBeLessThanOrEqual(3.0e9);
      const { kernels } = run.programs.find(({ kind }) => kind === 'training')!;
      // Long kernels are cut into many more pieces on a software adapter, so the number of kernels is checked there.
      const count = traits.isSoftware ? kernels.length : countDispatches(kernels, false);
      expect(count).toBeLessThanOrEqual(1200);
    });

  for (const precision of PRECISIONS)
    it(`keeps to 8 storage buffers a kernel, the least that every adapter has, with ${precision}`, () => {
      const run = planRun(smallSettings({ precision }), LIMITS, defaultVariants(HARDWARE));
      for (const { kernels } of run.programs)
        for (const kernel of kernels)
          expect(
            kernel.bindings.filter(({ access }) => access !== 'uniform').length,
            kernel.name,
          ).toBeLessThanOrEqual(8);
    });

  it('writes no memory under two names in one kernel', () => {
    const run = planRun(smallSettings(), LIMITS, defaultVariants(SOFTWARE));
    for (const { kernels } of run.programs)
      for (const { name, bindings } of kernels) {
        const storages = bindings.flatMap(({ memory }) => (memory.kind === 'storage' ? [memory] : []));
        expect(new Set(storages).size, name).toBe(storages.length);
      }
  });

  it('refuses a batch that does not fit, and says the largest that does', () => {
    const settings = faceNetSettings(90, 160, 10);
    const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
    const run = planRun(settings, limits, defaultVariants(SOFTWARE));
    let refusal: unknown;
    try {
      requireFit(settings, run, limits, SOFTWARE);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(BatchTooLargeError);
    const { largest, message } = refusal as BatchTooLargeError;
    expect(message).toContain(`is ${largest}.`);
    const fits = (batchSize: number): boolean =>
      reasonItDoesNotFit(planRun({ ...settings, batchSize }, limits, defaultVariants(SOFTWARE)), limits) ===
      undefined;
    expect(fits(largest)).toBe(true);
    expect(fits(largest + 1)).toBe(false);
    expect(largestBatch(smallSettings(), LIMITS, SOFTWARE, 1e6)).toBeGreaterThan(0);
    expect(largestBatch(smallSettings(), LIMITS, SOFTWARE, 1e3)).toBe(0);
    expect(defaultPixelBytes(settings)).toBe(90 * 182 * 182 * 3);
  });
});

describe('float16', () => {
  const run = (settings: TrainerSettings): ReturnType<typeof planRun> =>
    planRun(settings, LIMITS, defaultVariants(HARDWARE));
  const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

  it('trains batches of 90 at 160 pixels in 1.65 GB, with half the activations', () => {
    const settings = faceNetSettings(90, 160);
    const [single, half] = [run(settings), run({ ...settings, precision: 'float16' })];
    expect(half.bytes).toBeLessThanOrEqual(1.65e9);
    expect(sum(half.blocks) / sum(single.blocks)).toBeLessThan(0.52);
    const dispatches = ({ programs }: typeof half): number => programs[0]!.kernels.length;
    expect(dispatches(half) - dispatches(single)).toBeLessThanOrEqual(2);
  });

  it('stores what has pixels as float16, and everything else as float32', () => {
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 128, classes: 10 });
    const { programs, buffers } = run(smallSettings({ graph, imageSize: 160, precision: 'float16' }));
    expect(buffers.get('loss_scale')).toBe(4);
    const types = new Map<string, ElementType>();
    for (const { kernels } of programs)
      for (const { bindings } of kernels)
        for (const { memory } of bindings)
          if (memory.kind === 'storage') {
            expect(types.get(memory.name) ?? memory.elementType, memory.name).toBe(memory.elementType);
            types.set(memory.name, memory.elementType);
          }
    const single = [...types].filter(([, type]) => type === 'float32').map(([name]) => name);
    const vectors = graph.nodes.filter(({ kind }) =>
      ['global_average_pool', 'dropout', 'dense', 'l2_normalize'].includes(kind),
    );
    for (const name of single)
      expect(
        /(parts|statistics|results|squared parameters|squared gradients)$/.test(name) ||
          ['logits gradient', 'prelogits gradient', graph.outputs.prelogits].includes(name) ||
          vectors.some((node) => name === node.name || name === `${node.name} gradient`),
        name,
      ).toBe(true);
    expect(types.get('images')).toBe('float16');
    expect([...types.values()].filter((type) => type === 'float16').length).toBeGreaterThan(200);
  });

  it('leaves no trace in a plan of float32', () => {
    for (const precision of ['float32', undefined] as const) {
      const { programs, buffers } = run(smallSettings({ precision }));
      expect(buffers.has('loss_scale')).toBe(false);
      for (const { kernels } of programs)
        for (const kernel of kernels) {
          expect(usesHalfPrecision(kernel), kernel.name).toBe(false);
          expect(kernel.declarations, kernel.name).not.toMatch(/f16|vec4h|loss_scale/);
        }
    }
  });

  it('is converted where a kernel loads and stores', () => {
    const builder = new KernelBuilder();
    const shape = { batch: 2, height: 1, width: 1, channels: 4 };
    builder.view('input', freshView('input', shape, 4, 'float16'), 'read');
    builder.view('output', freshView('output', { ...shape, channels: 3 }, 3, 'float16'), 'write');
    const kernel = builder.build({ name: 'kernel', body: '', workgroupSize: 1, groups: 1 });
    expect(usesHalfPrecision(kernel)).toBe(true);
    const shader = shaderOf(kernel, { groups: 1, numbers: 'uniform', hasBase: false });
    // Before everything else, as WGSL requires.
    expect(shader.startsWith('enable f16;')).toBe(true);
    expect(shader).toContain('memory_input: array<vec4h>');
    expect(shader).toContain('return vec4f(memory_input[');
    expect(shader).toContain('memory_output: array<f16>');
    expect(shader).toContain('= f16(value[lane])');
  });

  it('takes half the memory, in whole units of 16 bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (values) => {
        const { floats } = storage('half', values, 'float16');
        expect(floats % 4).toBe(0);
        expect(4 * floats).toBeGreaterThanOrEqual(2 * values);
        expect(4 * floats).toBeLessThan(2 * values + 16);
      }),
    );
  });
});

describe('shaders', () => {
  const kernel = (() => {
    const builder = new KernelBuilder();
    builder.view('output', matrixView(storage('output', 12), 3, 4), 'write');
    const body = `store_output(${builder.u(2)}, 0u, vec4f(${builder.f(0.5)}) * f32(${builder.i(-3)}));`;
    return builder.build({ name: 'kernel', body, workgroupSize: 64, groups: 70000 });
  })();
  it('have their numbers written in, or read from a uniform', () => {
    const constants = shaderOf(kernel, { groups: 70000, numbers: 'constants', hasBase: false });
    expect(constants).toContain('store_output(2u, 0u, vec4f(0.5) * f32((-3)))');
    expect(constants).not.toContain('@0@');
    const uniform = shaderOf(kernel, { groups: 70000, numbers: 'uniform', hasBase: false });
    expect(uniform).toContain('var<uniform> numbers');
    const words = encodeNumbers(kernel, 70000);
    expect(new Float32Array(words.buffer)[1]).toBe(0.5);
    expect(new Int32Array(words.buffer)[2]).toBe(-3);
  });
  it('stay within the grid that every device takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50_000_000 }), (groups) => {
        const { x, y } = gridOf(groups);
        expect(x).toBeLessThanOrEqual(65535);
        expect(y).toBeLessThanOrEqual(65535);
        expect(x * y).toBeGreaterThanOrEqual(groups);
      }),
    );
  });
});

it('chosenVariants uses what was measured, and the defaults elsewhere', () => {
  const defaults = defaultVariants(SOFTWARE);
  const { lowering } = planRun(smallSettings(), LIMITS, defaults);
  const { shape } = lowering.uses[0]!;
  const tile = { kind: 'direct', rows: 4, columns: 4 } as const;
  const chosen = chosenVariants({ [variantKey('forward', shape)]: tile }, defaults);
  expect(chosen.convolution('forward', shape)).toBe(tile);
  expect(chosen.convolution('input_gradient', shape)).toEqual(defaults.convolution('input_gradient', shape));
  // Measurements with float32 do not apply to float16.
  expect(chosen.convolution('forward', shape, 'float16')).toEqual(defaults.convolution('forward', shape));
  const half = { [variantKey('forward', shape, 'float16')]: tile };
  expect(chosenVariants(half, defaults).convolution('forward', shape, 'float16')).toBe(tile);
  expect(chosenVariants(half, defaults).convolution('forward', shape)).not.toBe(tile);
});

/**
 * Chooses the kernel of a convolution by measuring the candidates on the device, once per shape and adapter. The caller
 * provides a cache for the choices (the page's cache is in its database).
 */
import type { EngineDevice } from '../../gpu/device.ts';
import { Dispatcher, submitDispatches, type Dispatch } from './dispatcher.ts';
import { alignFloats } from './flat_layout.ts';
import { operationsOf, type ConvolutionGeometry } from './kernels/convolution_geometry.ts';
import { convolutionProduct, type ConvolutionVariant } from './kernels/convolution_product.ts';
import { filterGradientDirect, filterGradientTiled, sumOfParts } from './kernels/filter_gradient.ts';
import type { Kernel } from './kernels/kernel.ts';
import type { ConvolutionUse } from './lowering/program_builder.ts';
import { planMemory } from './memory_plan.ts';
import { freshView, matrixView, storage, type ElementType, type TensorView } from './tensor_view.ts';
import {
  convolutionCandidates,
  defaultVariants,
  gradientCandidates,
  isWorthTuning,
  variantKey,
  type GradientVariant,
  type Variants,
} from './variants.ts';

export type ConvolutionOperation = ConvolutionUse['operation'];

/** Measured choices for one adapter, by `variantKey`. */
export type TunedChoices = Readonly<Record<string, ConvolutionVariant | GradientVariant>>;

export interface TuningCache {
  load(adapter: string): Promise<TunedChoices | undefined>;
  save(adapter: string, choices: TunedChoices): Promise<void>;
}

/** Increase this when a kernel changes, so that old measurements are not used for new kernels. */
const KERNEL_GENERATION = 2;
const REPETITIONS = 3;
/** A kernel takes some 50 µs, and its submission and readback as long, so one measurement runs it many times. */
const SHORTEST_MEASUREMENT_MS = 5;
const MOST_RUNS = 256;
/** The limit for all shapes together. */
const TUNING_LIMIT_MS = 60_000;

/** The kernels of one operation of a convolution, over separate storages. */
export function convolutionKernels(
  operation: ConvolutionOperation,
  shape: ConvolutionGeometry,
  variant: ConvolutionVariant | GradientVariant,
  elementType: ElementType = 'float32',
): {
  readonly kernels: readonly Kernel[];
  readonly views: Readonly<Record<'input' | 'weights' | 'output', TensorView>>;
} {
  const { batch, height, width, channels, outHeight, outWidth, filters } = shape;
  const positions = shape.kernelHeight * shape.kernelWidth;
  const input = freshView('input', { batch, height, width, channels }, channels, elementType);
  const output = freshView(
    'output',
    { batch, height: outHeight, width: outWidth, channels: filters },
    filters,
    elementType,
  );
  const weights = matrixView(
    storage('weights', positions * channels * filters),
    positions * channels,
    filters,
  );
  const views = { input, weights, output };
  if (operation !== 'filter_gradient') {
    const operands = {
      name: operation,
      shape,
      source: operation === 'forward' ? input : output,
      weights,
      output: operation === 'forward' ? output : input,
    };
    return { kernels: convolutionProduct(operation, operands, variant), views };
  }
  if (!('splits' in variant)) throw new Error('A filter gradient needs a variant with a number of splits.');
  const { splits } = variant;
  const size = positions * channels * filters;
  const parts = storage('parts', splits * size);
  const operands = {
    name: operation,
    shape,
    input,
    gradient: output,
    output: splits === 1 ? weights : matrixView(parts, splits * positions * channels, filters),
    scale: 1,
  };
  const kernel =
    variant.kind === 'direct'
      ? filterGradientDirect(operands, variant)
      : filterGradientTiled(operands, variant);
  return {
    kernels: splits === 1 ? [kernel] : [kernel, sumOfParts('sum', parts, splits, size, weights.memory, 1)],
    views,
  };
}

/**
 * The time of one run of the kernels on the device, milliseconds; the best of several.
 * @returns Infinity if the kernels do not fit the device
 */
export async function measureKernels(device: EngineDevice, kernels: readonly Kernel[]): Promise<number> {
  const { device: gpu } = device;
  const { placements, blocks } = planMemory(kernels, Math.floor(gpu.limits.maxBufferSize / 4));
  const binding = gpu.limits.maxStorageBufferBindingSize / 4;
  if ([...placements.keys()].some(({ floats }) => alignFloats(floats) > binding)) return Infinity;
  const bytes = blocks.reduce((sum, floats) => sum + floats * 4, 0);
  const arena = await device.checked('tuning', bytes, () =>
    blocks.map((floats) =>
      gpu.createBuffer({
        label: 'tuning',
        size: floats * 4,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
      }),
    ),
  );
  const dispatcher = new Dispatcher(device);
  try {
    const dispatches = await dispatcher.compile(kernels, (memory) => {
      if (memory.kind !== 'storage') throw new Error('Tuning measures kernels over storages only.');
      const { block, offset } = placements.get(memory)!;
      return { buffer: arena[block]!, offset: offset * 4, size: Math.ceil(memory.floats / 4) * 16 };
    });
    // The first run includes work that the driver has postponed.
    await timeRuns(device, dispatches, 1);
    let runs = 1;
    let duration = await timeRuns(device, dispatches, runs);
    while (duration < SHORTEST_MEASUREMENT_MS && runs < MOST_RUNS) {
      runs *= 2;
      duration = await timeRuns(device, dispatches, runs);
    }
    let best = duration / runs;
    for (let repetition = 1; repetition < REPETITIONS; repetition++)
      best = Math.min(best, (await timeRuns(device, dispatches, runs)) / runs);
    return best;
  } finally {
    dispatcher.dispose();
    for (const buffer of arena) buffer.destroy();
  }
}

/** Milliseconds from the submission of `runs` runs to the end of their work. */
async function timeRuns(
  device: EngineDevice,
  dispatches: readonly Dispatch[],
  runs: number,
): Promise<number> {
  const startedAt = performance.now();
  submitDispatches(device, Array.from({ length: runs }, () => dispatches).flat(), 'tuning');
  await device.guard(device.device.queue.onSubmittedWorkDone());
  return performance.now() - startedAt;
}

/**
 * Measures the uses that are not in the cache, and returns choices for all uses. Uses that are left when the time is
 * over keep their default, also in the cache: a choice decides the order of additions, so it must not change between
 * runs.
 */
export async function tuneVariants(
  device: EngineDevice,
  uses: readonly ConvolutionUse[],
  cache: TuningCache,
): Promise<Variants> {
  const defaults = defaultVariants(device.traits);
  const adapter = `${device.name}, kernels ${KERNEL_GENERATION}`;
  const choices: Record<string, ConvolutionVariant | GradientVariant> = {
    ...((await cache.load(adapter)) ?? {}),
  };
  const startedAt = performance.now();
  let isChanged = false;
  for (const { operation, shape, elementType } of mostWorkFirst(uses)) {
    const key = variantKey(operation, shape, elementType);
    if (Object.hasOwn(choices, key) || !isWorthTuning(shape)) continue;
    isChanged = true;
    choices[key] =
      operation === 'filter_gradient'
        ? defaults.filterGradient(shape)
        : defaults.convolution(operation, shape);
    if (performance.now() - startedAt > TUNING_LIMIT_MS) continue;
    const candidates =
      operation === 'filter_gradient'
        ? gradientCandidates(shape, device.traits)
        : convolutionCandidates(operation, shape, device.traits);
    let best = Infinity;
    for (const candidate of candidates) {
      const duration = await measureKernels(
        device,
        convolutionKernels(operation, shape, candidate, elementType).kernels,
      );
      if (duration < best) {
        best = duration;
        choices[key] = candidate;
      }
    }
  }
  if (isChanged) await cache.save(adapter, choices);
  return chosenVariants(choices, defaults);
}

/** The convolutions with the most work first, in case the time does not suffice for all. */
function mostWorkFirst(uses: readonly ConvolutionUse[]): ConvolutionUse[] {
  const work = new Map<string, number>();
  const keyOf = ({ operation, shape, elementType }: ConvolutionUse): string =>
    variantKey(operation, shape, elementType);
  for (const use of uses) work.set(keyOf(use), (work.get(keyOf(use)) ?? 0) + operationsOf(use.shape));
  return [...uses].sort((a, b) => work.get(keyOf(b))! - work.get(keyOf(a))!);
}

/** The measured choices; `defaults` for convolutions without one. */
export function chosenVariants(choices: TunedChoices, defaults: Variants): Variants {
  return {
    cooperation: defaults.cooperation,
    convolution: (direction, shape, elementType) => {
      const choice = choices[variantKey(direction, shape, elementType)];
      return choice && !('splits' in choice) ? choice : defaults.convolution(direction, shape);
    },
    filterGradient: (shape, elementType) => {
      const choice = choices[variantKey('filter_gradient', shape, elementType)];
      return choice && 'splits' in choice ? choice : defaults.filterGradient(shape);
    },
  };
}

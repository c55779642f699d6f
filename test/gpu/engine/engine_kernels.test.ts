/** Every kernel of the engine against float64, over memory that is NaN outside its operands. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import {
  convolutionGeometry,
  type ConvolutionGeometry,
} from '../../../workers/compute/engine/kernels/convolution_geometry.ts';
import { defaultVariants, type GradientVariant } from '../../../workers/compute/engine/variants.ts';
import { checkBatchNorm, checkBiasGradient, checkConvolution, checkImages } from './engine_checks.ts';
import { IMAGE_SIZE, smallBatch } from './engine_network.ts';
import { openTestDevice } from './engine_support.ts';

const BOUND = 1e-5;
const TILE = {
  kind: 'tiled',
  blockRows: 64,
  blockColumns: 64,
  blockDepth: 16,
  threadRows: 4,
  threadColumns: 4,
} as const;

const SHAPES: readonly (readonly [string, ConvolutionGeometry])[] = [
  ['3×3 SAME', convolutionGeometry({ batch: 2, height: 9, width: 11, channels: 8 }, 12, [3, 3], 1, 'SAME')],
  [
    '1×7, odd channels',
    convolutionGeometry({ batch: 1, height: 7, width: 6, channels: 5 }, 7, [1, 7], 1, 'SAME'),
  ],
  ['7×1', convolutionGeometry({ batch: 3, height: 7, width: 6, channels: 4 }, 8, [7, 1], 1, 'SAME')],
  [
    'an image, stride 2, VALID',
    convolutionGeometry({ batch: 2, height: 10, width: 9, channels: 3 }, 16, [3, 3], 2, 'VALID'),
  ],
  [
    'stride 2, SAME',
    convolutionGeometry({ batch: 2, height: 10, width: 9, channels: 16 }, 20, [3, 3], 2, 'SAME'),
  ],
  ['1×1', convolutionGeometry({ batch: 5, height: 4, width: 3, channels: 36 }, 68, [1, 1], 1, 'SAME')],
  [
    '5×5, stride 3',
    convolutionGeometry({ batch: 2, height: 5, width: 7, channels: 6 }, 9, [5, 5], 3, 'SAME'),
  ],
  [
    'dense, batch 90',
    convolutionGeometry({ batch: 90, height: 1, width: 1, channels: 33 }, 10, [1, 1], 1, 'VALID'),
  ],
];
const OPERATIONS = ['forward', 'input_gradient', 'filter_gradient'] as const;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** Widths that keep vectors aligned if the channels are aligned, and do not otherwise. */
function sliceFor({ channels, filters }: ConvolutionGeometry): { before: number; after: number } {
  return channels % 4 === 0 && filters % 4 === 0 ? { before: 4, after: 8 } : { before: 1, after: 2 };
}

describe('convolution without workgroup memory', () => {
  for (const [name, shape] of SHAPES)
    for (const operation of OPERATIONS)
      it(`${name}: ${operation}`, async () => {
        const variants = defaultVariants({ ...device.traits, isSoftware: true });
        const variant: GradientVariant | ReturnType<typeof variants.convolution> =
          operation === 'filter_gradient'
            ? { ...variants.filterGradient(shape), splits: 3 }
            : variants.convolution(operation, shape);
        expect(await checkConvolution(device, operation, shape, variant, sliceFor(shape))).toBeLessThan(
          BOUND,
        );
      });
});

describe('convolution through workgroup memory', () => {
  for (const [name, shape] of SHAPES.filter(([, { channels }]) => channels % 4 === 0).slice(0, 3))
    for (const operation of OPERATIONS)
      it(`${name}: ${operation}`, async () => {
        const variant = operation === 'filter_gradient' ? { ...TILE, splits: 2 } : TILE;
        expect(await checkConvolution(device, operation, shape, variant, sliceFor(shape))).toBeLessThan(
          BOUND,
        );
      });
});

describe('convolution through workgroup memory, its reduction split', () => {
  // Parts that begin within a row of the kernel, phases of unequal length, and more parts than steps.
  for (const [index, splits] of [
    [0, 2],
    [4, 4],
    [5, 3],
  ] as const)
    for (const operation of ['forward', 'input_gradient'] as const)
      it(`${SHAPES[index]![0]}, in ${splits}: ${operation}`, async () => {
        const shape = SHAPES[index]![1];
        const variant = { ...TILE, depthSplits: splits };
        expect(await checkConvolution(device, operation, shape, variant, sliceFor(shape))).toBeLessThan(
          BOUND,
        );
      });
});

describe('batch norm', () => {
  const cases = [
    [
      { batch: 2, height: 5, width: 7, channels: 12 },
      { relu: true, hasGamma: false, mean: 0 },
    ],
    [
      { batch: 1, height: 33, width: 31, channels: 7 },
      { relu: true, hasGamma: true, mean: 3 },
    ],
    [
      { batch: 6, height: 1, width: 1, channels: 130 },
      { relu: false, hasGamma: false, mean: 0 },
    ],
    [
      { batch: 4, height: 17, width: 17, channels: 32 },
      { relu: false, hasGamma: true, mean: 10, slice: { before: 8, after: 4 } },
    ],
    [
      { batch: 90, height: 3, width: 2, channels: 9 },
      { relu: true, hasGamma: false, mean: 1 },
    ],
    // A single value per channel has no deviation, so the output is beta, and the gradient of the input is zero.
    [
      { batch: 1, height: 1, width: 1, channels: 5 },
      { relu: false, hasGamma: true, mean: 0 },
    ],
  ] as const;
  for (const cooperation of ['alone', 'workgroup'] as const)
    // Barriers take a software adapter seconds to compile.
    for (const [shape, options] of cooperation === 'alone' ? cases : cases.slice(0, 4))
      it(`${Object.values(shape).join('×')}, mean ${options.mean}, ${cooperation}`, async () => {
        const errors = await checkBatchNorm(device, shape, { ...options, cooperation });
        // The inputs themselves have an error of mean · 2⁻²⁴ relative to their deviation.
        const bound = BOUND * Math.max(1, options.mean);
        for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(bound);
      });
});

describe('bias gradient', () => {
  for (const cooperation of ['alone', 'workgroup'] as const)
    it(`sums the rows, ${cooperation}`, async () => {
      expect(await checkBiasGradient(device, 1000, 33, cooperation)).toBeLessThan(BOUND);
      expect(await checkBiasGradient(device, 7, 64, cooperation)).toBeLessThan(BOUND);
    });
});

describe('images', () => {
  for (const cooperation of ['alone', 'workgroup'] as const)
    it(`crops, flips and standardises as on the processor, ${cooperation}`, async () => {
      const batch = smallBatch(3);
      for (const fixed of [true, false]) {
        const { error } = await checkImages(device, batch, IMAGE_SIZE, fixed, cooperation);
        expect(error).toBeLessThan(BOUND);
      }
      // Larger than stored: black borders.
      expect((await checkImages(device, smallBatch(4), 30, true, cooperation)).error).toBeLessThan(BOUND);
    });
  it('rotates with bicubic interpolation', async () => {
    const { error, otherLevels } = await checkImages(
      device,
      smallBatch(3, 6, true),
      IMAGE_SIZE,
      true,
      'alone',
    );
    expect(error).toBeLessThan(BOUND);
    // Sums that end near a half are rounded either way.
    expect(otherLevels).toBeLessThan(0.01);
  });
});

it('sums the filter gradient of the stem over 560,000 pixels', async () => {
  const shape = convolutionGeometry(
    { batch: 90, height: 159, width: 159, channels: 3 },
    4,
    [3, 3],
    2,
    'VALID',
  );
  const variants = defaultVariants({ ...device.traits, isSoftware: true });
  const error = await checkConvolution(device, 'filter_gradient', shape, variants.filterGradient(shape));
  expect(error).toBeLessThan(BOUND);
});

it('gives the same with numbers written into the shader as from a uniform', async () => {
  const [, shape] = SHAPES[0]!;
  const variant = { kind: 'direct', rows: 4, columns: 4 } as const;
  for (const numbers of ['constants', 'uniform'] as const)
    expect(
      await checkConvolution(device, 'forward', shape, variant, { before: 0, after: 0 }, numbers),
    ).toBeLessThan(BOUND);
});

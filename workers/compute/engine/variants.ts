/**
 * Which kernel computes a convolution: with or without workgroup memory, and with which tile. `defaultVariants`
 * chooses by the kind of adapter and the shape. tuning.ts measures the candidates listed here.
 */
import type { ConvolutionVariant } from './kernels/convolution_product.ts';
import { geometryKey, operationsOf, type ConvolutionGeometry } from './kernels/convolution_geometry.ts';
import type { DirectTile } from './kernels/convolution_direct.ts';
import { reductionSteps, threadsOf, workgroupBytesOf, type BlockTile } from './kernels/convolution_tiled.ts';
import type { BlockGradientTile, DirectGradientTile } from './kernels/filter_gradient.ts';
import { gatherGeometry, type GatherDirection } from './kernels/gather_geometry.ts';
import type { Cooperation } from './kernels/reductions.ts';
import type { ElementType } from './tensor_view.ts';
import type { AdapterTraits } from '../../gpu/device.ts';

export type GradientVariant = DirectGradientTile | BlockGradientTile;

export interface Variants {
  readonly cooperation: Cooperation;
  /** @param elementType the type of the convolution's input and output; default float32 */
  convolution(
    direction: GatherDirection,
    shape: ConvolutionGeometry,
    elementType?: ElementType,
  ): ConvolutionVariant;
  filterGradient(shape: ConvolutionGeometry, elementType?: ElementType): GradientVariant;
}

const BLOCK_TILES: readonly BlockTile[] = [
  { kind: 'tiled', blockRows: 64, blockColumns: 32, blockDepth: 16, threadRows: 4, threadColumns: 4 },
  { kind: 'tiled', blockRows: 64, blockColumns: 64, blockDepth: 16, threadRows: 4, threadColumns: 4 },
  { kind: 'tiled', blockRows: 64, blockColumns: 64, blockDepth: 16, threadRows: 4, threadColumns: 8 },
  { kind: 'tiled', blockRows: 128, blockColumns: 64, blockDepth: 16, threadRows: 8, threadColumns: 4 },
  { kind: 'tiled', blockRows: 128, blockColumns: 128, blockDepth: 16, threadRows: 8, threadColumns: 8 },
];

const DIRECT_TILES: readonly DirectTile[] = [
  { kind: 'direct', rows: 4, columns: 4 },
  { kind: 'direct', rows: 4, columns: 8 },
];

const DIRECT_GRADIENT_TILES: readonly Omit<DirectGradientTile, 'splits'>[] = [
  { kind: 'direct', rows: 4, columns: 4 },
  { kind: 'direct', rows: 8, columns: 4 },
  { kind: 'direct', rows: 4, columns: 8 },
  { kind: 'direct', rows: 8, columns: 8 },
];

/** The most pixels that one part of a filter gradient sums. Float32 sums that many with a relative error of 1e−6. */
const MAXIMUM_PIXELS_PER_SPLIT = 8192;
/** Enough threads for a software adapter, and enough workgroups of 256 threads for a real GPU. */
const SOFTWARE_THREADS = 64;
const HARDWARE_GROUPS = 512;
/** The fewest steps of a tile's reduction (some 3 µs) that justify a copy of its result and a second kernel. */
const MINIMUM_STEPS_PER_SPLIT = 16;
/** Columns of the narrowest tile. Narrower results have no tile. */
const MINIMUM_COLUMNS = 32;
/** This many workgroups keep even a small GPU busy. */
const ENOUGH_GROUPS = 128;
/** The most floats in all parts of one operation of a convolution together. */
const MAXIMUM_PARTS_FLOATS = 16 * 1024 * 1024;

function fits(tile: BlockTile, traits: AdapterTraits): boolean {
  return (
    threadsOf(tile) <= traits.maximumInvocations && workgroupBytesOf(tile) <= traits.maximumWorkgroupBytes
  );
}

export function convolutionCandidates(
  direction: GatherDirection,
  shape: ConvolutionGeometry,
  traits: AdapterTraits,
): ConvolutionVariant[] {
  if (traits.isSoftware) return [...DIRECT_TILES];
  const { columns } = gatherGeometry(shape, direction);
  const whole = BLOCK_TILES.filter((tile) => fits(tile, traits));
  const split = whole
    .filter((tile) => tile.blockColumns <= Math.max(columns, MINIMUM_COLUMNS))
    .flatMap((tile) =>
      [HARDWARE_GROUPS / 2, HARDWARE_GROUPS].map((wanted) => ({
        ...tile,
        depthSplits: depthSplitsFor(direction, shape, tile, wanted),
      })),
    )
    .filter(
      ({ depthSplits }, index, all) =>
        // Both goals can lead to the same number of splits.
        depthSplits > 1 && (index % 2 === 0 || all[index - 1]!.depthSplits !== depthSplits),
    );
  return [...whole, ...split, DIRECT_TILES[0]!];
}

function groupsOf(direction: GatherDirection, shape: ConvolutionGeometry, tile: BlockTile): number {
  const { rows, columns, phases } = gatherGeometry(shape, direction);
  return phases * Math.ceil(rows / tile.blockRows) * Math.ceil(columns / tile.blockColumns);
}

/** Number of parts of the reduction (kernel positions × channels) that gives `wanted` workgroups with enough work. */
function depthSplitsFor(
  direction: GatherDirection,
  shape: ConvolutionGeometry,
  tile: BlockTile,
  wanted: number,
): number {
  const { rows, columns, phases } = gatherGeometry(shape, direction);
  const forWork = Math.ceil(wanted / groupsOf(direction, shape, tile));
  const steps = reductionSteps(shape, direction, tile.blockDepth);
  const forMemory = Math.floor(MAXIMUM_PARTS_FLOATS / (phases * rows * (columns + 3)));
  return Math.max(1, Math.min(forWork, Math.floor(steps / MINIMUM_STEPS_PER_SPLIT), forMemory));
}

export function gradientCandidates(shape: ConvolutionGeometry, traits: AdapterTraits): GradientVariant[] {
  if (traits.isSoftware)
    return DIRECT_GRADIENT_TILES.map((tile) => ({
      ...tile,
      splits: splitsFor(shape, tile, SOFTWARE_THREADS),
    }));
  return BLOCK_TILES.filter((tile) => fits(tile, traits) && dividesFetches(tile)).flatMap((tile) =>
    [
      ...new Set(
        [HARDWARE_GROUPS / 2, HARDWARE_GROUPS, 2 * HARDWARE_GROUPS].map((wanted) =>
          splitsFor(shape, tile, wanted),
        ),
      ),
    ].map((splits) => ({ ...tile, splits })),
  );
}

/** Whether every thread fetches the same number of vectors, which filterGradientTiled requires. */
function dividesFetches(tile: BlockTile): boolean {
  const threads = threadsOf(tile);
  return (
    ((tile.blockDepth * tile.blockRows) / 4) % threads === 0 &&
    ((tile.blockDepth * tile.blockColumns) / 4) % threads === 0 &&
    threads % (tile.blockRows / 4) === 0
  );
}

/** Number of parts of the sum over pixels: enough for an exact sum and for `wanted` threads or workgroups. */
function splitsFor(
  shape: ConvolutionGeometry,
  tile: Omit<DirectGradientTile, 'splits'> | BlockTile,
  wanted: number,
): number {
  const pixels = shape.batch * shape.outHeight * shape.outWidth;
  const [rows, columns] =
    tile.kind === 'direct' ? [tile.rows, tile.columns] : [tile.blockRows, tile.blockColumns];
  const positions = shape.kernelHeight * shape.kernelWidth;
  const tiles =
    tile.kind === 'direct'
      ? positions * Math.ceil(shape.channels / rows) * Math.ceil(shape.filters / columns)
      : Math.ceil((positions * Math.ceil(shape.channels / 4) * 4) / rows) *
        Math.ceil(shape.filters / columns);
  const forAccuracy = Math.ceil(pixels / MAXIMUM_PIXELS_PER_SPLIT);
  const forWork = Math.min(Math.ceil(wanted / tiles), Math.max(Math.floor(pixels / 64), 1));
  const size = positions * shape.channels * shape.filters;
  return Math.max(1, Math.min(Math.max(forAccuracy, forWork), Math.floor(MAXIMUM_PARTS_FLOATS / size)));
}

/** Variants chosen without a measurement. */
export function defaultVariants(traits: AdapterTraits): Variants {
  if (traits.isSoftware)
    return {
      cooperation: 'alone',
      convolution: () => DIRECT_TILES.at(-1)!,
      filterGradient: (shape) => {
        const tile = DIRECT_GRADIENT_TILES.at(-1)!;
        return { ...tile, splits: splitsFor(shape, tile, SOFTWARE_THREADS) };
      },
    };
  const usable = BLOCK_TILES.filter((tile) => fits(tile, traits));
  return {
    cooperation: 'workgroup',
    convolution: (direction, shape) => {
      const { columns } = gatherGeometry(shape, direction);
      const tile = largestThatFills(usable, (candidate) => groupsOf(direction, shape, candidate), columns);
      const depthSplits = depthSplitsFor(direction, shape, tile, ENOUGH_GROUPS);
      return depthSplits === 1 ? tile : { ...tile, depthSplits };
    },
    filterGradient: (shape) => {
      const rows = shape.kernelHeight * shape.kernelWidth * shape.channels;
      const tile = largestThatFills(
        usable.filter(dividesFetches),
        () => Infinity,
        Math.min(rows, shape.filters),
      );
      return { ...tile, splits: splitsFor(shape, tile, HARDWARE_GROUPS) };
    },
  };
}

/** The largest tile that is not wider than the result and still gives enough workgroups; otherwise the smallest. */
function largestThatFills(
  tiles: readonly BlockTile[],
  groups: (tile: BlockTile) => number,
  columns: number,
): BlockTile {
  return (
    tiles.findLast(
      (tile) => tile.blockColumns <= Math.max(columns, MINIMUM_COLUMNS) && groups(tile) >= ENOUGH_GROUPS,
    ) ?? tiles[0]!
  );
}

/** The key in the tuning cache and in messages. */
export function variantKey(
  operation: GatherDirection | 'filter_gradient',
  shape: ConvolutionGeometry,
  elementType: ElementType = 'float32',
): string {
  return `${operation} ${geometryKey(shape)}${elementType === 'float16' ? ' float16' : ''}`;
}

/** Whether a convolution is large enough to justify seconds of measuring. */
export function isWorthTuning(shape: ConvolutionGeometry): boolean {
  return operationsOf(shape) > 1e6;
}

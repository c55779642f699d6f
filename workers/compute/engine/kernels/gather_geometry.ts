/**
 * The forward pass and the input gradient of a convolution are the same computation: for each position in the kernel,
 * an output row gathers one row of a source and multiplies it by the weights of that position. The input gradient of a
 * convolution with stride s is divided into s² phases, one per remainder of the pixel's coordinates. Each phase uses a
 * separate subset of the kernel's positions, so nothing is multiplied by inserted zeros.
 */
import type { KernelBuilder } from './kernel.ts';
import type { ConvolutionGeometry } from './convolution_geometry.ts';

export type GatherDirection = 'forward' | 'input_gradient';

export interface GatherGeometry {
  readonly direction: GatherDirection;
  /** Number of phases: 1, except for the gradient of a strided convolution. */
  readonly phases: number;
  /** Rows and columns of pixels per image in the largest phase. */
  readonly phaseHeight: number;
  readonly phaseWidth: number;
  /** Number of rows of a phase: batch · phaseHeight · phaseWidth. */
  readonly rows: number;
  /** Channels of the source. The reduction runs over positions × channels. */
  readonly depth: number;
  readonly columns: number;
  /** Whether a position can fall outside the source. */
  readonly needsBounds: boolean;
  readonly shape: ConvolutionGeometry;
}

export function gatherGeometry(shape: ConvolutionGeometry, direction: GatherDirection): GatherGeometry {
  if (direction === 'forward') {
    const bottom = (shape.outHeight - 1) * shape.stride + shape.kernelHeight - shape.padTop;
    const right = (shape.outWidth - 1) * shape.stride + shape.kernelWidth - shape.padLeft;
    return {
      direction,
      phases: 1,
      phaseHeight: shape.outHeight,
      phaseWidth: shape.outWidth,
      rows: shape.batch * shape.outHeight * shape.outWidth,
      depth: shape.channels,
      columns: shape.filters,
      needsBounds: shape.padTop > 0 || shape.padLeft > 0 || bottom > shape.height || right > shape.width,
      shape,
    };
  }
  const phaseHeight = Math.ceil(shape.height / shape.stride);
  const phaseWidth = Math.ceil(shape.width / shape.stride);
  return {
    direction,
    phases: shape.stride ** 2,
    phaseHeight,
    phaseWidth,
    rows: shape.batch * phaseHeight * phaseWidth,
    depth: shape.filters,
    columns: shape.channels,
    needsBounds: shape.kernelHeight > 1 || shape.kernelWidth > 1 || shape.stride > 1,
    shape,
  };
}

/**
 * Declarations shared by the gather kernels:
 * - `gather_row(phase, row) -> GatherRow`: where the gathering of a row begins;
 * - `gather_pixel(row, ky, kx) -> i32`: the source row for a kernel position, −1 if it is outside;
 * - `output_row(row) -> u32`;
 * - `first_ky(phase)`, `first_kx(phase)`: the first kernel position of a phase; the others follow at intervals of
 *   the stride.
 */
export function declareGather(builder: KernelBuilder, geometry: GatherGeometry): string {
  const { shape, direction, phaseHeight, phaseWidth, rows, phases } = geometry;
  const forward = direction === 'forward';
  const stride = shape.stride;
  const phaseY = phases === 1 ? '0' : `i32(phase / ${builder.u(stride)})`;
  const phaseX = phases === 1 ? '0' : `i32(phase % ${builder.u(stride)})`;
  const [sourceHeight, sourceWidth] = forward
    ? [shape.height, shape.width]
    : [shape.outHeight, shape.outWidth];
  const start = forward
    ? `result.y = y * ${builder.i(stride)} - ${builder.i(shape.padTop)};
  result.x = x * ${builder.i(stride)} - ${builder.i(shape.padLeft)};
  result.pixel = row;`
    : `let place_y = y * ${builder.i(phases === 1 ? 1 : stride)} + ${phaseY};
  let place_x = x * ${builder.i(phases === 1 ? 1 : stride)} + ${phaseX};
  result.inside = result.inside && place_y < ${builder.i(shape.height)} && place_x < ${builder.i(shape.width)};
  result.y = place_y + ${builder.i(shape.padTop)};
  result.x = place_x + ${builder.i(shape.padLeft)};
  result.pixel = u32((image * ${builder.i(shape.height)} + place_y) * ${builder.i(shape.width)} + place_x);`;
  const place = forward
    ? 'let y = row.y + ky;\n  let x = row.x + kx;'
    : stride === 1
      ? 'let y = row.y - ky;\n  let x = row.x - kx;'
      : // Because of the chosen positions, differences are multiples of the stride. The shift keeps negative ones negative.
        `let y = (row.y - ky + ${builder.i(stride * shape.kernelHeight)}) / ${builder.i(stride)} - ${builder.i(shape.kernelHeight)};
  let x = (row.x - kx + ${builder.i(stride * shape.kernelWidth)}) / ${builder.i(stride)} - ${builder.i(shape.kernelWidth)};`;
  return `struct GatherRow { image: i32, y: i32, x: i32, pixel: u32, inside: bool }
fn gather_row(phase: u32, row: u32) -> GatherRow {
  var result: GatherRow;
  let image = i32(row / ${builder.u(phaseHeight * phaseWidth)});
  let rest = i32(row % ${builder.u(phaseHeight * phaseWidth)});
  let y = rest / ${builder.i(phaseWidth)};
  let x = rest % ${builder.i(phaseWidth)};
  result.inside = row < ${builder.u(rows)};
  result.image = image * ${builder.i(sourceHeight)};
  ${start}
  return result;
}
fn gather_pixel(row: GatherRow, ky: i32, kx: i32) -> i32 {
  ${place}
  let inside = row.inside && y >= 0 && y < ${builder.i(sourceHeight)} && x >= 0 && x < ${builder.i(sourceWidth)};
  return select(-1, (row.image + y) * ${builder.i(sourceWidth)} + x, inside);
}
fn first_ky(phase: u32) -> i32 { return ${phases === 1 ? '0' : `(${phaseY} + ${builder.i(shape.padTop)}) % ${builder.i(stride)}`}; }
fn first_kx(phase: u32) -> i32 { return ${phases === 1 ? '0' : `(${phaseX} + ${builder.i(shape.padLeft)}) % ${builder.i(stride)}`}; }`;
}

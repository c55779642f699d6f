/**
 * Max, average and global average pooling with their gradients. Gradients gather, so no two threads add to one value.
 */
import { windowGeometry } from '../../graph/shapes.ts';
import type { Padding } from '../../graph/ir.ts';
import type { TensorView } from '../tensor_view.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { perPixel } from './per_vector.ts';

export interface PoolWindow {
  readonly size: number;
  readonly stride: number;
  readonly padding: Padding;
}

interface PoolGeometry {
  readonly top: number;
  readonly left: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

function geometryOf(input: TensorView, { size, stride, padding }: PoolWindow): PoolGeometry {
  const vertical = windowGeometry(input.height, size, stride, padding);
  const horizontal = windowGeometry(input.width, size, stride, padding);
  return {
    top: vertical.before,
    left: horizontal.before,
    outHeight: vertical.length,
    outWidth: horizontal.length,
  };
}

/** Code for the part of the window of output (x, y) that is inside the input. */
function windowInside(
  builder: KernelBuilder,
  input: TensorView,
  pool: PoolWindow,
  { top, left }: PoolGeometry,
  x: string,
  y: string,
): string {
  return `let begin_y = max(${y} * ${builder.i(pool.stride)} - ${builder.i(top)}, 0);
    let end_y = min(${y} * ${builder.i(pool.stride)} - ${builder.i(top)} + ${builder.i(pool.size)}, ${builder.i(input.height)});
    let begin_x = max(${x} * ${builder.i(pool.stride)} - ${builder.i(left)}, 0);
    let end_x = min(${x} * ${builder.i(pool.stride)} - ${builder.i(left)} + ${builder.i(pool.size)}, ${builder.i(input.width)});`;
}

export function pool(
  name: string,
  kind: 'max_pool' | 'average_pool',
  input: TensorView,
  output: TensorView,
  window: PoolWindow,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  const geometry = geometryOf(input, window);
  const row = `u32((image * ${builder.i(input.height)} + wy) * ${builder.i(input.width)} + wx)`;
  const loop = (line: string): string => `for (var wy = begin_y; wy < end_y; wy++) {
    for (var wx = begin_x; wx < end_x; wx++) { ${line} }
  }`;
  const code =
    kind === 'max_pool'
      ? `var result = load_input(u32((image * ${builder.i(input.height)} + begin_y) * ${builder.i(input.width)} + begin_x), group_index);
  ${loop(`result = max(result, load_input(${row}, group_index));`)}`
      : `var result = vec4f(0);
  ${loop(`result += load_input(${row}, group_index);`)}
  result /= f32((end_y - begin_y) * (end_x - begin_x));`;
  return perPixel(
    builder,
    name,
    output,
    `${windowInside(builder, input, window, geometry, 'x', 'y')}
  ${code}
  store_output(row, group_index, result);`,
  );
}

/** Code for the outputs whose windows contain the input pixel (x, y). */
function windowsOf(
  builder: KernelBuilder,
  { size, stride }: PoolWindow,
  { top, left, outHeight, outWidth }: PoolGeometry,
): string {
  return `let first_y = max(y + ${builder.i(top)} - ${builder.i(size - stride)}, 0) / ${builder.i(stride)};
  let last_y = min((y + ${builder.i(top)}) / ${builder.i(stride)}, ${builder.i(outHeight - 1)});
  let first_x = max(x + ${builder.i(left)} - ${builder.i(size - stride)}, 0) / ${builder.i(stride)};
  let last_x = min((x + ${builder.i(left)}) / ${builder.i(stride)}, ${builder.i(outWidth - 1)});`;
}

/** Passes the gradient to the first of the largest values of each window, in row-major order. */
export function maxPoolGradient(
  name: string,
  input: TensorView,
  output: TensorView,
  outputGradient: TensorView,
  inputGradient: TensorView,
  window: PoolWindow,
  accumulate: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('result', output, 'read');
  builder.view('gradient', outputGradient, 'read');
  builder.view('output', inputGradient, 'write');
  const geometry = geometryOf(input, window);
  return perPixel(
    builder,
    name,
    input,
    `${windowsOf(builder, window, geometry)}
  let value = load_input(row, group_index);
  var sum = ${accumulate ? 'load_output(row, group_index)' : 'vec4f(0)'};
  for (var oy = first_y; oy <= last_y; oy++) {
  for (var ox = first_x; ox <= last_x; ox++) {
    let place = u32((image * ${builder.i(geometry.outHeight)} + oy) * ${builder.i(geometry.outWidth)} + ox);
    let largest = load_result(place, group_index);
    var wins = value == largest;
    if (!any(wins)) { continue; }
    ${windowInside(builder, input, window, geometry, 'ox', 'oy')}
    for (var wy = begin_y; wy <= y; wy++) {
      let end = select(end_x, x, wy == y);
      for (var wx = begin_x; wx < end; wx++) {
        wins = wins & (load_input(u32((image * ${builder.i(input.height)} + wy) * ${builder.i(input.width)} + wx), group_index) != largest);
      }
    }
    sum += select(vec4f(0), load_gradient(place, group_index), wins);
  }
  }
  store_output(row, group_index, sum);`,
  );
}

export function averagePoolGradient(
  name: string,
  outputGradient: TensorView,
  inputGradient: TensorView,
  window: PoolWindow,
  accumulate: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('gradient', outputGradient, 'read');
  builder.view('output', inputGradient, 'write');
  const geometry = geometryOf(inputGradient, window);
  return perPixel(
    builder,
    name,
    inputGradient,
    `${windowsOf(builder, window, geometry)}
  var sum = ${accumulate ? 'load_output(row, group_index)' : 'vec4f(0)'};
  for (var oy = first_y; oy <= last_y; oy++) {
  for (var ox = first_x; ox <= last_x; ox++) {
    ${windowInside(builder, inputGradient, window, geometry, 'ox', 'oy')}
    sum += load_gradient(u32((image * ${builder.i(geometry.outHeight)} + oy) * ${builder.i(geometry.outWidth)} + ox), group_index) / f32((end_y - begin_y) * (end_x - begin_x));
  }
  }
  store_output(row, group_index, sum);`,
  );
}

/** [N,H,W,C] → [N,C] */
export function globalAveragePool(name: string, input: TensorView, output: TensorView): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  const pixels = input.height * input.width;
  return perPixel(
    builder,
    name,
    output,
    `var sum = vec4f(0);
  for (var pixel = 0u; pixel < ${builder.u(pixels)}; pixel++) { sum += load_input(row * ${builder.u(pixels)} + pixel, group_index); }
  store_output(row, group_index, sum * ${builder.f(1 / pixels)});`,
  );
}

export function globalAveragePoolGradient(
  name: string,
  outputGradient: TensorView,
  inputGradient: TensorView,
  accumulate: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('gradient', outputGradient, 'read');
  builder.view('output', inputGradient, 'write');
  const share = builder.f(1 / (inputGradient.height * inputGradient.width));
  return perPixel(
    builder,
    name,
    inputGradient,
    `store_output(row, group_index, ${accumulate ? 'load_output(row, group_index) + ' : ''}load_gradient(u32(image), group_index) * ${share});`,
  );
}

/** Adds zeros below, to the right and after the last channel of an image. The gradient is the part with the image. */
import type { TensorView } from '../tensor_view.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { perPixel } from './per_vector.ts';

/** @param output at least as high, as wide and with as many channels as the input */
export function zeroPad(name: string, input: TensorView, output: TensorView): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  const groups = Math.ceil(input.channels / 4);
  return perPixel(
    builder,
    name,
    output,
    `var result = vec4f(0);
  if (x < ${builder.i(input.width)} && y < ${builder.i(input.height)} && group_index < ${builder.u(groups)}) {
    result = load_input(u32((image * ${builder.i(input.height)} + y) * ${builder.i(input.width)} + x), group_index);
  }
  store_output(row, group_index, result);`,
  );
}

export function zeroPadGradient(
  name: string,
  outputGradient: TensorView,
  inputGradient: TensorView,
  accumulate: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('gradient', outputGradient, 'read');
  builder.view('output', inputGradient, 'write');
  const { height, width } = outputGradient;
  const loaded = `load_gradient(u32((image * ${builder.i(height)} + y) * ${builder.i(width)} + x), group_index)`;
  return perPixel(
    builder,
    name,
    inputGradient,
    `store_output(row, group_index, ${accumulate ? 'load_output(row, group_index) + ' : ''}${loaded});`,
  );
}

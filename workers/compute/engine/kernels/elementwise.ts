/** Elementwise kernels: addition, scaling, ReLU, dropout. */
import type { BufferRegion, TensorView } from '../tensor_view.ts';
import { STEP_STRUCT } from '../step_values.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { perVector } from './per_vector.ts';

function elementwise(builder: KernelBuilder, name: string, output: TensorView, expression: string): Kernel {
  return perVector(builder, name, output, `store_output(row, group_index, ${expression});`);
}

/** output ← input, or output + input */
export function copy(
  name: string,
  input: TensorView,
  output: TensorView,
  accumulate: boolean,
  scale = 1,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  const scaled = `${scale === 1 ? '' : `${builder.f(scale)} * `}load_input(row, group_index)`;
  return elementwise(
    builder,
    name,
    output,
    accumulate ? `load_output(row, group_index) + ${scaled}` : scaled,
  );
}

/** output ← input + scale · residual, with ReLU if wanted */
export function addScaled(
  name: string,
  input: TensorView,
  residual: TensorView,
  scale: number,
  relu: boolean,
  output: TensorView,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('residual', residual, 'read');
  builder.view('output', output, 'write');
  const sum = `load_input(row, group_index) + ${builder.f(scale)} * load_residual(row, group_index)`;
  return elementwise(builder, name, output, relu ? `max(${sum}, vec4f(0))` : sum);
}

export function relu(name: string, input: TensorView, output: TensorView): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  return elementwise(builder, name, output, 'max(load_input(row, group_index), vec4f(0))');
}

/** Keeps the gradient where the ReLU's value is above 0, and sets it to 0 elsewhere; in place. */
export function reluGradient(name: string, value: TensorView, gradient: TensorView): Kernel {
  const builder = new KernelBuilder();
  builder.view('value', value, 'read');
  builder.view('output', gradient, 'write');
  return elementwise(
    builder,
    name,
    gradient,
    'select(vec4f(0), load_output(row, group_index), load_value(row, group_index) > vec4f(0))',
  );
}

/**
 * output ← input · mask, or output + input · mask. The mask is a hash of (key of the step, index of the value), the
 * same as dropoutMask of workers/compute/step/dropout.ts. The gradient is computed by the same kernel.
 */
export function dropout(
  name: string,
  input: TensorView,
  output: TensorView,
  keepProbability: number,
  step: BufferRegion,
  accumulate: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  builder.memory('step', step, 'Step', 'uniform');
  // On the CPU, uniform < keepProbability compares 24-bit integers in float64. This threshold gives the same result.
  const threshold = Math.ceil(keepProbability * 0x1000000);
  builder.declare(`fn keeps(index: u32) -> f32 {
  var x = step.dropout_key + index;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  x = x ^ (x >> 16u);
  return select(0.0, ${builder.f(1 / keepProbability)}, (x >> 8u) < ${builder.u(threshold)});
}
fn mask(index: u32) -> vec4f { return vec4f(keeps(index), keeps(index + 1u), keeps(index + 2u), keeps(index + 3u)); }`);
  const masked = `load_input(row, group_index) * mask(row * ${builder.u(input.channels)} + 4u * group_index)`;
  return elementwise(
    builder,
    name,
    output,
    accumulate ? `load_output(row, group_index) + ${masked}` : masked,
  );
}

/** Operations on the results of a matrix product before they are stored, which save a pass over memory. */
import type { TensorView } from '../tensor_view.ts';
import type { KernelBuilder } from './kernel.ts';

/** A batch norm with moving statistics per channel. */
export interface InferenceNorm {
  readonly mean: TensorView;
  readonly variance: TensorView;
  readonly beta: TensorView;
  readonly gamma?: TensorView | undefined;
  readonly epsilon: number;
}

export interface Epilogue {
  /** Multiplies the product. Default 1. */
  readonly scale?: number | undefined;
  /** [1, columns], added to the product before the factor is applied. */
  readonly bias?: TensorView | undefined;
  readonly norm?: InferenceNorm | undefined;
  /** Added after the factor is applied. May be the output itself, which is then added to. */
  readonly addend?: TensorView | undefined;
  readonly relu?: boolean | undefined;
}

/**
 * Binds the operands of the epilogue, and declares `finish(row, group, value)`, which stores 4 columns.
 * @param output bound by this function under the name `output`
 */
export function declareEpilogue(builder: KernelBuilder, output: TensorView, epilogue: Epilogue): void {
  const { scale = 1, bias, norm, addend, relu } = epilogue;
  builder.view('output', output, 'write');
  const lines: string[] = ['var value = product;'];
  if (bias) {
    builder.view('bias', bias, 'read');
    lines.push('value += load_bias(0u, group);');
  }
  if (norm) {
    builder.view('mean', norm.mean, 'read');
    builder.view('variance', norm.variance, 'read');
    builder.view('beta', norm.beta, 'read');
    if (norm.gamma) builder.view('gamma', norm.gamma, 'read');
    const gamma = norm.gamma ? ' * load_gamma(0u, group)' : '';
    lines.push(
      `value = (value - load_mean(0u, group)) * (inverseSqrt(load_variance(0u, group) + ${builder.f(norm.epsilon)})${gamma}) + load_beta(0u, group);`,
    );
  }
  if (scale !== 1) lines.push(`value *= ${builder.f(scale)};`);
  if (addend === output) lines.push('value += load_output(row, group);');
  else if (addend) {
    builder.view('addend', addend, 'read');
    lines.push('value += load_addend(row, group);');
  }
  if (relu) lines.push('value = max(value, vec4f(0));');
  builder.declare(`fn finish(row: u32, group: u32, product: vec4f) {
  ${lines.join('\n  ')}
  store_output(row, group, value);
}`);
}

/**
 * The backward pass, one layer at a time, from the last to the first. Gradients are computed in place if a kernel
 * reads and writes the same values.
 */
import type { Layer, PlainLayer } from '../fuse.ts';
import { copy, dropout, reluGradient } from '../kernels/elementwise.ts';
import { averagePoolGradient, globalAveragePoolGradient, maxPoolGradient } from '../kernels/pooling.ts';
import { zeroPadGradient } from '../kernels/zero_pad.ts';
import { sliceChannels, type TensorView } from '../tensor_view.ts';
import { normGradient } from './batch_norm.ts';
import { productGradients } from './convolution.ts';
import { dropsValues } from './forward.ts';
import { gradientView } from './layer_shapes.ts';
import type { ProgramBuilder } from './program_builder.ts';

/**
 * @param values the results of the forward pass, by node
 * @param seeds the gradients of the loss, by node
 */
export function addBackward(
  program: ProgramBuilder,
  layers: readonly Layer[],
  values: ReadonlyMap<string, TensorView>,
  seeds: ReadonlyMap<string, TensorView>,
): void {
  const gradients = new Gradients(program, values, seeds);
  for (const layer of [...layers].reverse()) {
    const gradient = gradients.of(layer.output);
    if (gradient) backwardLayer(program, layer, gradient, gradients);
  }
}

/** The gradients so far, by node. */
class Gradients {
  readonly #program: ProgramBuilder;
  readonly #values: ReadonlyMap<string, TensorView>;
  readonly #views: Map<string, TensorView>;

  constructor(
    program: ProgramBuilder,
    values: ReadonlyMap<string, TensorView>,
    seeds: ReadonlyMap<string, TensorView>,
  ) {
    this.#program = program;
    this.#values = values;
    this.#views = new Map(seeds);
  }

  of(node: string): TensorView | undefined {
    return this.#views.get(node);
  }

  /** A node's result in the forward pass. */
  value(node: string): TensorView {
    return this.#values.get(node)!;
  }

  /** Where to write a node's gradient, or to add to it, if another reader of the node has written one. */
  target(node: string): { readonly view: TensorView; readonly accumulate: boolean } {
    const existing = this.#views.get(node);
    if (existing) return { view: existing, accumulate: true };
    const view = gradientView(`${node} gradient`, this.value(node));
    this.#views.set(node, view);
    return { view, accumulate: false };
  }

  /** Passes a gradient on unchanged. It belongs to the node from now on. */
  pass(node: string, view: TensorView): void {
    const existing = this.#views.get(node);
    if (existing) this.#program.add(copy(`${node} gradient sum`, view, existing, true));
    else this.#views.set(node, view);
  }
}

function backwardLayer(
  program: ProgramBuilder,
  layer: Layer,
  gradient: TensorView,
  gradients: Gradients,
): void {
  const name = layer.output;
  switch (layer.kind) {
    case 'product':
      if (layer.norm) normGradient(program, layer.norm, name, gradient);
      else if (layer.relu)
        program.add(reluGradient(`${name} relu gradient`, gradients.value(name), gradient));
      productGradients(program, layer, gradient, gradients.value(layer.node.input), () =>
        program.isImage(layer.node.input) ? undefined : gradients.target(layer.node.input),
      );
      if (layer.residual) gradients.pass(layer.residual.input, gradient);
      return;
    case 'norm':
      normGradient(program, layer.node, name, gradient);
      return gradients.pass(layer.node.input, gradient);
    case 'residual': {
      if (layer.relu) program.add(reluGradient(`${name} relu gradient`, gradients.value(name), gradient));
      const residual = gradients.target(layer.node.residual);
      program.add(
        copy(`${name} residual gradient`, gradient, residual.view, residual.accumulate, layer.node.scale),
      );
      return gradients.pass(layer.node.input, gradient);
    }
    case 'plain':
      return backwardPlain(program, layer, gradient, gradients);
  }
}

function backwardPlain(
  program: ProgramBuilder,
  { node }: PlainLayer,
  gradient: TensorView,
  gradients: Gradients,
): void {
  const { name } = node;
  switch (node.kind) {
    case 'input':
      return;
    case 'relu':
      program.add(reluGradient(`${name} gradient`, gradients.value(name), gradient));
      return gradients.pass(node.input, gradient);
    case 'max_pool': {
      const { view, accumulate } = gradients.target(node.input);
      const [input, output] = [gradients.value(node.input), gradients.value(name)];
      program.add(maxPoolGradient(`${name} gradient`, input, output, gradient, view, node, accumulate));
      return;
    }
    case 'average_pool': {
      const { view, accumulate } = gradients.target(node.input);
      program.add(averagePoolGradient(`${name} gradient`, gradient, view, node, accumulate));
      return;
    }
    case 'concat': {
      let offset = 0;
      for (const input of node.inputs) {
        const { channels } = gradients.value(input);
        if (!program.isImage(input)) gradients.pass(input, sliceChannels(gradient, offset, channels));
        offset += channels;
      }
      return;
    }
    case 'zero_pad': {
      const { view, accumulate } = gradients.target(node.input);
      program.add(zeroPadGradient(`${name} gradient`, gradient, view, accumulate));
      return;
    }
    case 'global_average_pool': {
      const { view, accumulate } = gradients.target(node.input);
      program.add(globalAveragePoolGradient(`${name} gradient`, gradient, view, accumulate));
      return;
    }
    case 'dropout': {
      if (!dropsValues(program)) return gradients.pass(node.input, gradient);
      const { view, accumulate } = gradients.target(node.input);
      const { keepProbability } = program.training;
      const step = program.region('step');
      program.add(dropout(`${name} gradient`, gradient, view, keepProbability, step, accumulate));
      return;
    }
    case 'l2_normalize':
      throw new Error(`No loss acts on ${name}: the losses act on prelogits and logits.`);
  }
}

/**
 * Turns a graph into programs: lists of kernels over views, for training, evaluation and embedding. No device is
 * needed, so the memory of a program can be planned before there is one.
 *
 * Two values per layer are kept for the backward pass. The output of the convolution is needed for the gradient of the
 * batch norm, which also derives the ReLU's mask from it. The result of the layer is needed for the filter gradient of
 * the next convolution. Gradients are computed in place if a kernel reads and writes the same values: a batch norm
 * turns the gradient of its output into that of its input, the branches of a concatenation read slices of its
 * gradient, and a residual block passes its gradient on to its input.
 *
 * With the precision float16, values that have pixels, and their gradients, are stored as float16. Everything else
 * stays float32: parameters and their gradients, statistics, values after the last pooling, and the losses.
 */
import { flatLayout, type FlatLayout } from './flat_layout.ts';
import { fuseLayers, type Layer } from './fuse.ts';
import type { Kernel } from './kernels/kernel.ts';
import { addBackward } from './lowering/backward.ts';
import { bufferFloats } from './lowering/buffers.ts';
import { addForward } from './lowering/forward.ts';
import { gradientView } from './lowering/layer_shapes.ts';
import { addLosses, followPrelogits } from './lowering/losses.ts';
import { addGradientNorm, addOptimizer } from './lowering/optimizer.ts';
import { ProgramBuilder, type ConvolutionUse, type RunDescription } from './lowering/program_builder.ts';
import { matrixView, type BufferName, type TensorView } from './tensor_view.ts';

export type ProgramKind = 'training' | 'evaluation' | 'embedding';

export interface Program {
  readonly kind: ProgramKind;
  readonly kernels: readonly Kernel[];
}

export class Lowering {
  readonly layout: FlatLayout;
  /** The convolutions of the programs made so far. */
  readonly uses: ConvolutionUse[] = [];
  readonly #run: RunDescription;
  readonly #layers: readonly Layer[];

  constructor(run: Omit<RunDescription, 'layout'>) {
    this.layout = flatLayout(run.settings.graph);
    this.#run = { ...run, layout: this.layout };
    this.#layers = fuseLayers(run.settings.graph);
  }

  /** Sizes of the long-lived buffers, floats. Buffers that are not needed are missing. */
  bufferFloats(pixelBytes: number): Map<BufferName, number> {
    return bufferFloats(this.#run.settings, this.layout, pixelBytes);
  }

  program(kind: ProgramKind): Program {
    const program = new ProgramBuilder(this.#run, kind === 'training');
    if (kind === 'training') this.#addTraining(program);
    else if (kind === 'evaluation') this.#addEvaluation(program);
    else this.#addEmbedding(program);
    this.uses.push(...program.uses);
    return { kind, kernels: program.kernels };
  }

  #addTraining(program: ProgramBuilder): void {
    const { logits: logitsName, prelogits: prelogitsName } = this.#run.settings.graph.outputs;
    if (logitsName === undefined) throw new Error('A graph without classes cannot be trained.');
    const layers = neededLayers(this.#layers, [logitsName, prelogitsName]);
    const values = addForward(program, layers);
    const outputs = { logits: values.get(logitsName)!, prelogits: values.get(prelogitsName)! };
    const gradients = {
      logits: gradientView('logits gradient', outputs.logits),
      prelogits: gradientView('prelogits gradient', outputs.prelogits),
    };
    addLosses(program, outputs, gradients);
    const seeds = new Map<string, TensorView>([
      [logitsName, gradients.logits],
      [prelogitsName, gradients.prelogits],
    ]);
    addBackward(program, layers, values, seeds);
    followPrelogits(program, outputs.prelogits);
    addOptimizer(program);
    addGradientNorm(program);
  }

  #addEvaluation(program: ProgramBuilder): void {
    const { logits, prelogits } = this.#run.settings.graph.outputs;
    if (logits === undefined) throw new Error('A graph without classes has no accuracy.');
    const values = addForward(program, neededLayers(this.#layers, [logits, prelogits]));
    addLosses(program, { logits: values.get(logits)!, prelogits: values.get(prelogits)! });
  }

  #addEmbedding(program: ProgramBuilder): void {
    const { graph, batchSize } = this.#run.settings;
    const name = graph.outputs.embeddings;
    const view = matrixView(program.region('embeddings'), batchSize, graph.embeddingSize);
    addForward(program, neededLayers(this.#layers, [name]), new Map([[name, view]]));
  }
}

/** The layers that the named values depend on. */
function neededLayers(layers: readonly Layer[], names: readonly string[]): Layer[] {
  const needed = new Set(names);
  for (const layer of [...layers].reverse())
    if (needed.has(layer.output)) for (const input of layer.inputs) needed.add(input);
  return layers.filter((layer) => needed.has(layer.output));
}

/** A program during lowering: the kernels so far, and the state that all parts of the lowering share. */
import { trainerSettings, type ExecutorSettings, type TrainerSettings } from '../../executor.ts';
import type { FlatLayout } from '../flat_layout.ts';
import type { BatchNormOperands } from '../kernels/batch_norm.ts';
import type { ConvolutionGeometry } from '../kernels/convolution_geometry.ts';
import type { GatherDirection } from '../kernels/gather_geometry.ts';
import type { Kernel } from '../kernels/kernel.ts';
import type { Cooperation } from '../kernels/reductions.ts';
import {
  matrixView,
  type BufferName,
  type BufferRegion,
  type ElementType,
  type TensorView,
} from '../tensor_view.ts';
import type { Variants } from '../variants.ts';
import { bufferFloats } from './buffers.ts';

/** A convolution of the graph and one of its three operations. Tuning measures these. */
export interface ConvolutionUse {
  readonly operation: GatherDirection | 'filter_gradient';
  readonly shape: ConvolutionGeometry;
  /** The type of its input and output; the weights are float32. */
  readonly elementType: ElementType;
}

/** The properties that all programs of a run share. */
export interface RunDescription {
  readonly settings: ExecutorSettings;
  readonly variants: Variants;
  readonly layout: FlatLayout;
  /** The most floats of a flat buffer that one kernel may bind. */
  readonly maximumRangeFloats: number;
}

export class ProgramBuilder {
  readonly settings: ExecutorSettings;
  readonly variants: Variants;
  readonly layout: FlatLayout;
  readonly maximumRangeFloats: number;
  readonly isTraining: boolean;
  readonly kernels: Kernel[] = [];
  readonly uses: ConvolutionUse[] = [];
  /** Operands that the forward pass of training keeps for the backward pass, by the layer's output. */
  readonly norms = new Map<string, BatchNormOperands>();
  readonly #bufferFloats: ReadonlyMap<BufferName, number>;

  constructor({ settings, variants, layout, maximumRangeFloats }: RunDescription, isTraining: boolean) {
    this.settings = settings;
    this.variants = variants;
    this.layout = layout;
    this.maximumRangeFloats = maximumRangeFloats;
    this.isTraining = isTraining;
    // The buffer for pixels grows with the stored images. Kernels always bind all of it.
    this.#bufferFloats = bufferFloats(settings, layout, settings.batchSize * 4);
  }

  add(...kernels: readonly Kernel[]): void {
    this.kernels.push(...kernels);
  }

  get cooperation(): Cooperation {
    return this.variants.cooperation;
  }

  /** For programs with losses. @throws Error where the network is made to embed only */
  get training(): TrainerSettings {
    return trainerSettings(this.settings);
  }

  /** The type of values that have pixels. */
  get elementType(): ElementType {
    return this.settings.precision ?? 'float32';
  }

  /** The factor of the losses' gradients, with float16. */
  get lossScale(): BufferRegion | undefined {
    return this.elementType === 'float16' ? this.region('loss_scale') : undefined;
  }

  /** The region of a whole long-lived buffer. */
  region(buffer: BufferName): BufferRegion {
    const floats = this.#bufferFloats.get(buffer);
    if (floats === undefined) throw new Error(`There is no buffer ${buffer} in this run.`);
    return { kind: 'region', buffer, offset: 0, floats };
  }

  /** A parameter or its gradient as [rows, channels]. The last axis gives the channels; a vector is one row. */
  parameter(name: string, buffer: 'own' | 'gradients' = 'own'): TensorView {
    const region = this.layout.region(name);
    const { shape } = this.layout.spec(name);
    const channels = shape.at(-1) ?? 1;
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    return matrixView(buffer === 'own' ? region : { ...region, buffer }, rows, channels);
  }

  isImage(node: string): boolean {
    return this.settings.graph.nodes[0]!.name === node;
  }
}

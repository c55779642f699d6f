/**
 * Builds a graph layer by layer, like TF-slim. Scopes nest. A layer's node has the name of its scope, and its
 * parameters are named below that scope (`weights`, `biases`, `BatchNorm/beta`, …), so that names equal those of the
 * original's variables.
 */
import type { Graph, GraphNode, Initializer, Padding, ParameterSpec } from './ir.ts';

/** All models of the original use batch norm with beta only, ε = 0.001 and decay 0.995. */
export const BATCH_NORM_EPSILON = 0.001;
export const BATCH_NORM_DECAY = 0.995;
const EMBEDDING_EPSILON = 1e-10;

export type Normalization = 'batch_norm' | 'bias' | 'none';

export interface ConvolutionOptions {
  readonly stride?: number;
  readonly padding?: Padding;
  /** `batch_norm`: batch norm instead of a bias; `bias`: a bias without batch norm. Default batch_norm. */
  readonly normalization?: Normalization;
  /** Default: true. */
  readonly relu?: boolean;
}

export interface PoolOptions {
  readonly size: number;
  readonly stride: number;
  readonly padding: Padding;
}

/** A reference to a node's output. The builder needs only its name and its number of channels. */
export interface Layer {
  readonly node: string;
  readonly channels: number;
}

export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #names = new Set<string>();
  readonly #parameters: ParameterSpec[] = [];
  readonly #scopes: string[] = [];
  readonly #batchNormDecay: number;

  constructor(batchNormDecay = BATCH_NORM_DECAY) {
    this.#batchNormDecay = batchNormDecay;
  }

  /** Runs `build` with `name` appended to the scope of all names. */
  scope<Result>(name: string, build: () => Result): Result {
    this.#scopes.push(name);
    try {
      return build();
    } finally {
      this.#scopes.pop();
    }
  }

  input(channels: number): Layer {
    return this.#add({ kind: 'input', name: 'input', channels }, channels);
  }

  /** A square kernel as one number, others as [height, width]. */
  convolution(
    input: Layer,
    filters: number,
    kernel: number | readonly [number, number],
    name: string,
    options: ConvolutionOptions = {},
  ): Layer {
    const [height, width] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
    const { stride = 1, padding = 'SAME', normalization = 'batch_norm', relu = true } = options;
    return this.scope(name, () => {
      const weights = this.#parameter('weights', [height, width, input.channels, filters], 'xavier_uniform');
      const biases = normalization === 'bias' ? this.#parameter('biases', [filters], 'zeros') : undefined;
      let layer = this.#add(
        {
          kind: 'conv2d',
          name: this.#path(),
          input: input.node,
          filters,
          kernel: [height, width],
          stride,
          padding,
          weights,
          ...(biases === undefined ? {} : { biases }),
        },
        filters,
      );
      if (normalization === 'batch_norm') layer = this.batchNorm(layer);
      return relu ? this.relu(layer) : layer;
    });
  }

  dense(input: Layer, units: number, name: string, normalization: Normalization): Layer {
    return this.scope(name, () => {
      const weights = this.#parameter('weights', [input.channels, units], 'xavier_uniform');
      const biases = normalization === 'bias' ? this.#parameter('biases', [units], 'zeros') : undefined;
      const layer = this.#add(
        {
          kind: 'dense',
          name: this.#path(),
          input: input.node,
          units,
          weights,
          ...(biases === undefined ? {} : { biases }),
        },
        units,
      );
      return normalization === 'batch_norm' ? this.batchNorm(layer) : layer;
    });
  }

  batchNorm(input: Layer): Layer {
    return this.scope('BatchNorm', () => {
      const shape = [input.channels];
      const beta = this.#parameter('beta', shape, 'zeros');
      const movingMean = this.#parameter('moving_mean', shape, 'zeros', false);
      const movingVariance = this.#parameter('moving_variance', shape, 'ones', false);
      return this.#add(
        {
          kind: 'batch_norm',
          name: this.#path(),
          input: input.node,
          beta,
          movingMean,
          movingVariance,
          epsilon: BATCH_NORM_EPSILON,
          decay: this.#batchNormDecay,
        },
        input.channels,
      );
    });
  }

  relu(input: Layer): Layer {
    return this.#add({ kind: 'relu', name: this.#path('Relu'), input: input.node }, input.channels);
  }

  maxPool(input: Layer, name: string, options: PoolOptions): Layer {
    return this.#add(
      { kind: 'max_pool', name: this.#path(name), input: input.node, ...options },
      input.channels,
    );
  }

  averagePool(input: Layer, name: string, options: PoolOptions): Layer {
    return this.#add(
      { kind: 'average_pool', name: this.#path(name), input: input.node, ...options },
      input.channels,
    );
  }

  concat(inputs: readonly Layer[], name = 'concat'): Layer {
    return this.#add(
      { kind: 'concat', name: this.#path(name), inputs: inputs.map((layer) => layer.node) },
      inputs.reduce((sum, layer) => sum + layer.channels, 0),
    );
  }

  /** input + scale · residual */
  residualAdd(input: Layer, residual: Layer, scale: number): Layer {
    if (input.channels !== residual.channels)
      throw new Error(`${this.#path()}: a residual of ${residual.channels} channels on ${input.channels}.`);
    return this.#add(
      { kind: 'residual_add', name: this.#path('add'), input: input.node, residual: residual.node, scale },
      input.channels,
    );
  }

  /** Zeros below, to the right and after the last channel, up to the shape of `like`. */
  zeroPad(input: Layer, like: Layer, name: string): Layer {
    return this.#add(
      { kind: 'zero_pad', name: this.#path(name), input: input.node, like: like.node },
      Math.max(input.channels, like.channels),
    );
  }

  globalAveragePool(input: Layer, name = 'AvgPool'): Layer {
    return this.#add(
      { kind: 'global_average_pool', name: this.#path(name), input: input.node },
      input.channels,
    );
  }

  dropout(input: Layer, name = 'Dropout'): Layer {
    return this.#add({ kind: 'dropout', name: this.#path(name), input: input.node }, input.channels);
  }

  /**
   * Ends the graph: embeddings = l2_normalize(prelogits), or the unchanged prelogits. With classes, adds the logits
   * layer of the classifier in the scope `Logits`, on the prelogits before they are normalised.
   */
  finish(
    name: string,
    prelogits: Layer,
    classes: number,
    minimumImageSize: number,
    { normalizesEmbeddings = true } = {},
  ): Graph {
    const embeddings = normalizesEmbeddings
      ? this.#add(
          { kind: 'l2_normalize', name: 'embeddings', input: prelogits.node, epsilon: EMBEDDING_EPSILON },
          prelogits.channels,
        )
      : prelogits;
    const logits = classes > 0 ? this.dense(prelogits, classes, 'Logits', 'bias') : undefined;
    return {
      name,
      nodes: this.#nodes,
      parameters: this.#parameters,
      outputs: {
        prelogits: prelogits.node,
        embeddings: embeddings.node,
        ...(logits ? { logits: logits.node } : {}),
      },
      embeddingSize: prelogits.channels,
      classes,
      minimumImageSize,
    };
  }

  #path(name?: string): string {
    return (name === undefined ? this.#scopes : [...this.#scopes, name]).join('/');
  }

  #add(node: GraphNode, channels: number): Layer {
    if (this.#names.has(node.name)) throw new Error(`There are two nodes named ${node.name}.`);
    this.#names.add(node.name);
    this.#nodes.push(node);
    return { node: node.name, channels };
  }

  #parameter(name: string, shape: readonly number[], initializer: Initializer, trainable = true): string {
    const path = this.#path(name);
    this.#parameters.push({ name: path, shape, trainable, regularized: name === 'weights', initializer });
    return path;
  }
}

/**
 * The model description: a model is data. It is the source of the WebGPU plan, the TensorFlow.js executor, the
 * exports, the name mapping of imports, and the parameter table on the page.
 *
 * Nodes are listed in topological order and refer to each other by name. Node and parameter names equal the original
 * TensorFlow variable scopes. Activations are NHWC, convolution weights are [kernelHeight, kernelWidth, in, out],
 * dense weights [in, out].
 */

export type Padding = 'SAME' | 'VALID';

interface NamedNode {
  /** Unique in the graph. Nodes with parameters have the name of the original's variable scope. */
  readonly name: string;
}

export interface InputNode extends NamedNode {
  readonly kind: 'input';
  readonly channels: number;
}

export interface Conv2dNode extends NamedNode {
  readonly kind: 'conv2d';
  readonly input: string;
  readonly filters: number;
  /** [height, width] */
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly padding: Padding;
  /** Parameter names. */
  readonly weights: string;
  readonly biases?: string;
}

/** Normalises over all axes except the last. There is no gamma unless a parameter is named. */
export interface BatchNormNode extends NamedNode {
  readonly kind: 'batch_norm';
  readonly input: string;
  readonly beta: string;
  readonly gamma?: string;
  readonly movingMean: string;
  readonly movingVariance: string;
  readonly epsilon: number;
  /** moving ← decay·moving + (1 − decay)·batch, with the unbiased batch variance (n/(n − 1)). */
  readonly decay: number;
}

export interface ReluNode extends NamedNode {
  readonly kind: 'relu';
  readonly input: string;
}

export interface PoolNode extends NamedNode {
  readonly kind: 'max_pool' | 'average_pool';
  readonly input: string;
  readonly size: number;
  readonly stride: number;
  readonly padding: Padding;
}

/** Concatenates along the channels. */
export interface ConcatNode extends NamedNode {
  readonly kind: 'concat';
  readonly inputs: readonly string[];
}

/** input + scale · residual */
export interface ResidualAddNode extends NamedNode {
  readonly kind: 'residual_add';
  readonly input: string;
  readonly residual: string;
  readonly scale: number;
}

/**
 * Zeros below, to the right and after the last channel, up to the height, width and channels of `like` where it has
 * more.
 */
export interface ZeroPadNode extends NamedNode {
  readonly kind: 'zero_pad';
  readonly input: string;
  /** The node whose shape is reached; its values are not read. */
  readonly like: string;
}

/** [N,H,W,C] → [N,C] */
export interface GlobalAveragePoolNode extends NamedNode {
  readonly kind: 'global_average_pool';
  readonly input: string;
}

/** In training, keeps each value with the run's keep probability and divides it by that. */
export interface DropoutNode extends NamedNode {
  readonly kind: 'dropout';
  readonly input: string;
}

/** [N,in] → [N,units] */
export interface DenseNode extends NamedNode {
  readonly kind: 'dense';
  readonly input: string;
  readonly units: number;
  readonly weights: string;
  readonly biases?: string;
}

/** x / √max(Σx², epsilon) over the last axis. */
export interface L2NormalizeNode extends NamedNode {
  readonly kind: 'l2_normalize';
  readonly input: string;
  readonly epsilon: number;
}

export type GraphNode =
  | InputNode
  | Conv2dNode
  | BatchNormNode
  | ReluNode
  | PoolNode
  | ConcatNode
  | ResidualAddNode
  | ZeroPadNode
  | GlobalAveragePoolNode
  | DropoutNode
  | DenseNode
  | L2NormalizeNode;

/** Xavier uniform: limit √(6/(fan_in + fan_out)). */
export type Initializer = 'xavier_uniform' | 'zeros' | 'ones';

export interface ParameterSpec {
  /** The original's variable name, e.g. `InceptionResnetV1/Conv2d_1a_3x3/weights`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
  /** Whether weight decay applies: convolution and dense weights, not biases, betas or moving statistics. */
  readonly regularized: boolean;
  readonly initializer: Initializer;
}

export interface Graph {
  /** The name in `model_def` without its prefix `models.`: `inception_resnet_v1`. */
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  /** In the order of the nodes, which is also the order in the flat parameter buffer. */
  readonly parameters: readonly ParameterSpec[];
  readonly outputs: {
    /** [N, embedding_size], the input of the losses. */
    readonly prelogits: string;
    /**
     * [N, embedding_size]: l2-normalised prelogits; or the prelogits themselves, if the model is compared without
     * normalisation.
     */
    readonly embeddings: string;
    /** [N, classes]; absent in a graph built without classes. */
    readonly logits?: string;
  };
  readonly embeddingSize: number;
  /** 0 without logits. */
  readonly classes: number;
  /** The side of the smallest square input, in pixels, for which every layer has an output. */
  readonly minimumImageSize: number;
}

/** The options of a builder under models/. */
export interface ModelOptions {
  readonly embeddingSize: number;
  /** Number of classes in the logits layer; 0 leaves the layer out. */
  readonly classes: number;
  /** Decay of the moving statistics; the original's is 0.995. */
  readonly batchNormDecay?: number;
}

export type ModelDefinition = (options: ModelOptions) => Graph;

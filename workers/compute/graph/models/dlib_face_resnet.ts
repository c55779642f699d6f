/**
 * dlib's face recognition network by Davis King: 29 convolutions, ResNet-34 (He et al., "Deep Residual Learning for
 * Image Recognition", 2015) with fewer layers and half the filters
 * (https://github.com/davisking/dlib/blob/master/examples/dnn_metric_learning_on_images_ex.cpp, `loss_metric`).
 * Embeddings are compared by their Euclidean distance, without normalisation. dlib scales each channel after a
 * convolution. A convolution with a bias computes the same, so the scales are folded into the weights when they are
 * read.
 */
import { GraphBuilder, type ConvolutionOptions, type Layer } from '../builder.ts';
import type { Graph, ModelOptions } from '../ir.ts';

/** The last halving needs 3 × 3 values. */
const MINIMUM_IMAGE_SIZE = 103;

const BIASED = { normalization: 'bias' } as const;

export function dlibFaceResnet(options: ModelOptions): Graph {
  const builder = new GraphBuilder(options.batchNormDecay);
  const image = builder.input(3);
  const prelogits = builder.scope('DlibFaceResnet', () => {
    let layer = builder.convolution(image, 32, 7, 'conv32_down', { ...BIASED, stride: 2, padding: 'VALID' });
    layer = builder.maxPool(layer, 'max_pool', { size: 3, stride: 2, padding: 'VALID' });
    for (const name of ['conv32_1', 'conv32_2', 'conv32_3']) layer = block(builder, layer, name);
    layer = halving(builder, layer, 64, 'conv64_down');
    for (const name of ['conv64_1', 'conv64_2', 'conv64_3']) layer = block(builder, layer, name);
    layer = halving(builder, layer, 128, 'conv128_down');
    for (const name of ['conv128_1', 'conv128_2']) layer = block(builder, layer, name);
    layer = halving(builder, layer, 256, 'conv256_down');
    for (const name of ['conv256_1', 'conv256_2']) layer = block(builder, layer, name);
    layer = halving(builder, layer, 256, 'conv256_down_out');
    return builder.dense(builder.globalAveragePool(layer), options.embeddingSize, 'fc', 'none');
  });
  return builder.finish('dlib_face_resnet', prelogits, options.classes, MINIMUM_IMAGE_SIZE, {
    normalizesEmbeddings: false,
  });
}

/** relu(input + conv2(relu(conv1(input)))) */
function block(builder: GraphBuilder, input: Layer, name: string): Layer {
  return builder.scope(name, () =>
    builder.relu(builder.residualAdd(input, twoConvolutions(builder, input, input.channels, {}), 1)),
  );
}

/** A block of half the size. What one side has fewer of, rows, columns or channels, counts as zero in the sum. */
function halving(builder: GraphBuilder, input: Layer, filters: number, name: string): Layer {
  return builder.scope(name, () => {
    const convolved = twoConvolutions(builder, input, filters, { stride: 2, padding: 'VALID' });
    const pooled = builder.averagePool(input, 'average_pool', { size: 2, stride: 2, padding: 'VALID' });
    const shortcut = builder.zeroPad(pooled, convolved, 'shortcut');
    return builder.relu(builder.residualAdd(shortcut, builder.zeroPad(convolved, pooled, 'padded'), 1));
  });
}

/** @param first of the first convolution */
function twoConvolutions(
  builder: GraphBuilder,
  input: Layer,
  filters: number,
  first: ConvolutionOptions,
): Layer {
  const layer = builder.convolution(input, filters, 3, 'conv1', { ...BIASED, ...first });
  return builder.convolution(layer, filters, 3, 'conv2', { ...BIASED, relu: false });
}

/**
 * Inception-ResNet-v1 (Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
 * Learning", 2016) as the original pipeline builds it with TF-slim: stem, 5 × block35, Mixed_6a, 10 × block17,
 * Mixed_7a, 5 × block8, one more block8 of scale 1 without activation, global average pool, dropout, Bottleneck.
 */
import { GraphBuilder, type Layer } from '../builder.ts';
import type { Graph, ModelOptions } from '../ir.ts';

const MINIMUM_IMAGE_SIZE = 75;

export function inceptionResnetV1(options: ModelOptions): Graph {
  const builder = new GraphBuilder(options.batchNormDecay);
  const image = builder.input(3);
  const prelogits = builder.scope('InceptionResnetV1', () => {
    let layer = stem(builder, image);
    builder.scope('Repeat', () => {
      for (let index = 1; index <= 5; index++)
        layer = builder.scope(`block35_${index}`, () => block35(builder, layer, 0.17));
    });
    layer = builder.scope('Mixed_6a', () => reductionA(builder, layer));
    builder.scope('Repeat_1', () => {
      for (let index = 1; index <= 10; index++)
        layer = builder.scope(`block17_${index}`, () => block17(builder, layer, 0.1));
    });
    layer = builder.scope('Mixed_7a', () => reductionB(builder, layer));
    builder.scope('Repeat_2', () => {
      for (let index = 1; index <= 5; index++)
        layer = builder.scope(`block8_${index}`, () => block8(builder, layer, 0.2, true));
    });
    layer = builder.scope('Block8', () => block8(builder, layer, 1.0, false));
    layer = builder.globalAveragePool(layer);
    layer = builder.dropout(layer);
    return builder.dense(layer, options.embeddingSize, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('inception_resnet_v1', prelogits, options.classes, MINIMUM_IMAGE_SIZE);
}

function stem(builder: GraphBuilder, image: Layer): Layer {
  const valid = { padding: 'VALID' } as const;
  let layer = builder.convolution(image, 32, 3, 'Conv2d_1a_3x3', { stride: 2, ...valid });
  layer = builder.convolution(layer, 32, 3, 'Conv2d_2a_3x3', valid);
  layer = builder.convolution(layer, 64, 3, 'Conv2d_2b_3x3');
  layer = builder.maxPool(layer, 'MaxPool_3a_3x3', { size: 3, stride: 2, ...valid });
  layer = builder.convolution(layer, 80, 1, 'Conv2d_3b_1x1', valid);
  layer = builder.convolution(layer, 192, 3, 'Conv2d_4a_3x3', valid);
  return builder.convolution(layer, 256, 3, 'Conv2d_4b_3x3', { stride: 2, ...valid });
}

/** The end of every block: concatenated branches → 1×1 with bias back to the input's width → scaled addition. */
function mergeBranches(
  builder: GraphBuilder,
  input: Layer,
  branches: readonly Layer[],
  scale: number,
  relu: boolean,
): Layer {
  const up = builder.convolution(builder.concat(branches), input.channels, 1, 'Conv2d_1x1', {
    normalization: 'bias',
    relu: false,
  });
  const sum = builder.residualAdd(input, up, scale);
  return relu ? builder.relu(sum) : sum;
}

function block35(builder: GraphBuilder, input: Layer, scale: number): Layer {
  const branch0 = builder.scope('Branch_0', () => builder.convolution(input, 32, 1, 'Conv2d_1x1'));
  const branch1 = builder.scope('Branch_1', () => {
    const layer = builder.convolution(input, 32, 1, 'Conv2d_0a_1x1');
    return builder.convolution(layer, 32, 3, 'Conv2d_0b_3x3');
  });
  const branch2 = builder.scope('Branch_2', () => {
    let layer = builder.convolution(input, 32, 1, 'Conv2d_0a_1x1');
    layer = builder.convolution(layer, 32, 3, 'Conv2d_0b_3x3');
    return builder.convolution(layer, 32, 3, 'Conv2d_0c_3x3');
  });
  return mergeBranches(builder, input, [branch0, branch1, branch2], scale, true);
}

function block17(builder: GraphBuilder, input: Layer, scale: number): Layer {
  const branch0 = builder.scope('Branch_0', () => builder.convolution(input, 128, 1, 'Conv2d_1x1'));
  const branch1 = builder.scope('Branch_1', () => {
    let layer = builder.convolution(input, 128, 1, 'Conv2d_0a_1x1');
    layer = builder.convolution(layer, 128, [1, 7], 'Conv2d_0b_1x7');
    return builder.convolution(layer, 128, [7, 1], 'Conv2d_0c_7x1');
  });
  return mergeBranches(builder, input, [branch0, branch1], scale, true);
}

function block8(builder: GraphBuilder, input: Layer, scale: number, relu: boolean): Layer {
  const branch0 = builder.scope('Branch_0', () => builder.convolution(input, 192, 1, 'Conv2d_1x1'));
  const branch1 = builder.scope('Branch_1', () => {
    let layer = builder.convolution(input, 192, 1, 'Conv2d_0a_1x1');
    layer = builder.convolution(layer, 192, [1, 3], 'Conv2d_0b_1x3');
    return builder.convolution(layer, 192, [3, 1], 'Conv2d_0c_3x1');
  });
  return mergeBranches(builder, input, [branch0, branch1], scale, relu);
}

const HALVING = { stride: 2, padding: 'VALID' } as const;

function reductionA(builder: GraphBuilder, input: Layer): Layer {
  const branch0 = builder.scope('Branch_0', () =>
    builder.convolution(input, 384, 3, 'Conv2d_1a_3x3', HALVING),
  );
  const branch1 = builder.scope('Branch_1', () => {
    let layer = builder.convolution(input, 192, 1, 'Conv2d_0a_1x1');
    layer = builder.convolution(layer, 192, 3, 'Conv2d_0b_3x3');
    return builder.convolution(layer, 256, 3, 'Conv2d_1a_3x3', HALVING);
  });
  const branch2 = builder.scope('Branch_2', () =>
    builder.maxPool(input, 'MaxPool_1a_3x3', { size: 3, ...HALVING }),
  );
  return builder.concat([branch0, branch1, branch2]);
}

function reductionB(builder: GraphBuilder, input: Layer): Layer {
  const branch0 = builder.scope('Branch_0', () => {
    const layer = builder.convolution(input, 256, 1, 'Conv2d_0a_1x1');
    return builder.convolution(layer, 384, 3, 'Conv2d_1a_3x3', HALVING);
  });
  const branch1 = builder.scope('Branch_1', () => {
    const layer = builder.convolution(input, 256, 1, 'Conv2d_0a_1x1');
    return builder.convolution(layer, 256, 3, 'Conv2d_1a_3x3', HALVING);
  });
  const branch2 = builder.scope('Branch_2', () => {
    let layer = builder.convolution(input, 256, 1, 'Conv2d_0a_1x1');
    layer = builder.convolution(layer, 256, 3, 'Conv2d_0b_3x3');
    return builder.convolution(layer, 256, 3, 'Conv2d_1a_3x3', HALVING);
  });
  const branch3 = builder.scope('Branch_3', () =>
    builder.maxPool(input, 'MaxPool_1a_3x3', { size: 3, ...HALVING }),
  );
  return builder.concat([branch0, branch1, branch2, branch3]);
}

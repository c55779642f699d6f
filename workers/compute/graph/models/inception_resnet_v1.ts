/**
 * Inception-ResNet-v1 (Szegedy et al. 2016) as the original builds it with TF-slim: stem, 5 × block35,
 * Mixed_6a, 10 × block17, Mixed_7a, 5 × block8, one more block8 of scale 1 without activation, global average pool,
 * dropout, Bottleneck.
 */
import { GraphBuilder } from '../builder.ts';
import type { Graph, ModelOptions } from '../ir.ts';
import {
  block17,
  block35,
  block8,
  HALVING,
  MINIMUM_IMAGE_SIZE,
  reductionA,
  reductionB,
  repeat,
  stem,
} from './inception_resnet_blocks.ts';

export function inceptionResnetV1(options: ModelOptions): Graph {
  const builder = new GraphBuilder(options.batchNormDecay);
  const image = builder.input(3);
  const prelogits = builder.scope('InceptionResnetV1', () => {
    let layer = stem(builder, image);
    layer = builder.convolution(layer, 256, 3, 'Conv2d_4b_3x3', HALVING);
    layer = repeat(builder, layer, 'Repeat', 'block35', 5, (input) =>
      block35(builder, input, [32, 32, 32], 0.17),
    );
    layer = builder.scope('Mixed_6a', () => reductionA(builder, layer, [192, 192, 256]));
    layer = repeat(builder, layer, 'Repeat_1', 'block17', 10, (input) =>
      block17(builder, input, [128, 128, 128, 128], 0.1),
    );
    layer = builder.scope('Mixed_7a', () => reductionB(builder, layer, { second: 256, third: [256, 256] }));
    layer = repeat(builder, layer, 'Repeat_2', 'block8', 5, (input) =>
      block8(builder, input, [192, 192, 192, 192], 0.2),
    );
    layer = builder.scope('Block8', () => block8(builder, layer, [192, 192, 192, 192], 1, false));
    layer = builder.globalAveragePool(layer);
    layer = builder.dropout(layer);
    return builder.dense(layer, options.embeddingSize, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('inception_resnet_v1', prelogits, options.classes, MINIMUM_IMAGE_SIZE);
}

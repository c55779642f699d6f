/**
 * Inception-ResNet-v2 (Szegedy et al. 2016) as the original builds it with TF-slim: the stem of version 1 with
 * a max pool and Mixed_5b at its end, 10 × block35, Mixed_6a, 20 × block17, Mixed_7a, 9 × block8, one more block8 of
 * scale 1 without activation, Conv2d_7b_1x1, global average pool, dropout, Bottleneck.
 */
import { GraphBuilder, type Layer } from '../builder.ts';
import type { Graph, ModelOptions } from '../ir.ts';
import {
  block17,
  block35,
  block8,
  branch,
  HALVING,
  MINIMUM_IMAGE_SIZE,
  reductionA,
  reductionB,
  repeat,
  stem,
} from './inception_resnet_blocks.ts';

export function inceptionResnetV2(options: ModelOptions): Graph {
  const builder = new GraphBuilder(options.batchNormDecay);
  const image = builder.input(3);
  const prelogits = builder.scope('InceptionResnetV2', () => {
    let layer = stem(builder, image);
    layer = builder.maxPool(layer, 'MaxPool_5a_3x3', { size: 3, ...HALVING });
    layer = builder.scope('Mixed_5b', () => mixed5b(builder, layer));
    layer = repeat(builder, layer, 'Repeat', 'block35', 10, (input) =>
      block35(builder, input, [32, 48, 64], 0.17),
    );
    layer = builder.scope('Mixed_6a', () => reductionA(builder, layer, [256, 256, 384]));
    layer = repeat(builder, layer, 'Repeat_1', 'block17', 20, (input) =>
      block17(builder, input, [192, 128, 160, 192], 0.1),
    );
    layer = builder.scope('Mixed_7a', () => reductionB(builder, layer, { second: 288, third: [288, 320] }));
    layer = repeat(builder, layer, 'Repeat_2', 'block8', 9, (input) =>
      block8(builder, input, [192, 192, 224, 256], 0.2),
    );
    layer = builder.scope('Block8', () => block8(builder, layer, [192, 192, 224, 256], 1, false));
    layer = builder.convolution(layer, 1536, 1, 'Conv2d_7b_1x1');
    layer = builder.globalAveragePool(layer);
    layer = builder.dropout(layer);
    return builder.dense(layer, options.embeddingSize, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('inception_resnet_v2', prelogits, options.classes, MINIMUM_IMAGE_SIZE);
}

function mixed5b(builder: GraphBuilder, input: Layer): Layer {
  const pooled = builder.scope('Branch_3', () =>
    builder.averagePool(input, 'AvgPool_0a_3x3', { size: 3, stride: 1, padding: 'SAME' }),
  );
  return builder.concat([
    branch(builder, 0, input, [{ filters: 96, kernel: 1, name: 'Conv2d_1x1' }]),
    branch(builder, 1, input, [
      { filters: 48, kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: 64, kernel: 5, name: 'Conv2d_0b_5x5' },
    ]),
    branch(builder, 2, input, [
      { filters: 64, kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: 96, kernel: 3, name: 'Conv2d_0b_3x3' },
      { filters: 96, kernel: 3, name: 'Conv2d_0c_3x3' },
    ]),
    branch(builder, 3, pooled, [{ filters: 64, kernel: 1, name: 'Conv2d_0b_1x1' }]),
  ]);
}

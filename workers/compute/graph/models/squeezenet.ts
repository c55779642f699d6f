/**
 * SqueezeNet (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016) as the original
 * builds it with TF-slim: batch norm after every convolution except conv10, and a Bottleneck on the 1000 values of
 * conv10.
 */
import { GraphBuilder, type Layer } from '../builder.ts';
import type { Graph, ModelOptions } from '../ir.ts';

/** At 25 pixels, the input of maxpool8 is 3 × 3, the smallest that it can process. */
const MINIMUM_IMAGE_SIZE = 25;

export function squeezenet(options: ModelOptions): Graph {
  const builder = new GraphBuilder(options.batchNormDecay);
  const image = builder.input(3);
  const prelogits = builder.scope('squeezenet', () => {
    let layer = builder.convolution(image, 96, 7, 'conv1', { stride: 2 });
    layer = builder.maxPool(layer, 'maxpool1', { size: 3, stride: 2, padding: 'VALID' });
    layer = fire(builder, layer, 'fire2', 16, 64);
    layer = fire(builder, layer, 'fire3', 16, 64);
    layer = fire(builder, layer, 'fire4', 32, 128);
    layer = builder.maxPool(layer, 'maxpool4', { size: 2, stride: 2, padding: 'VALID' });
    layer = fire(builder, layer, 'fire5', 32, 128);
    layer = fire(builder, layer, 'fire6', 48, 192);
    layer = fire(builder, layer, 'fire7', 48, 192);
    layer = fire(builder, layer, 'fire8', 64, 256);
    layer = builder.maxPool(layer, 'maxpool8', { size: 3, stride: 2, padding: 'VALID' });
    layer = fire(builder, layer, 'fire9', 64, 256);
    layer = builder.dropout(layer);
    layer = builder.convolution(layer, 1000, 1, 'conv10', { normalization: 'bias', relu: false });
    layer = builder.globalAveragePool(layer, 'avgpool10');
    return builder.dense(layer, options.embeddingSize, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('squeezenet', prelogits, options.classes, MINIMUM_IMAGE_SIZE);
}

/** Squeezes to few channels with 1 × 1, then expands to `expanded` channels with 1 × 1 and as many with 3 × 3. */
function fire(builder: GraphBuilder, input: Layer, name: string, squeezed: number, expanded: number): Layer {
  return builder.scope(name, () => {
    const squeeze = builder.convolution(input, squeezed, 1, 'squeeze');
    return builder.scope('expand', () =>
      builder.concat([
        builder.convolution(squeeze, expanded, 1, '1x1'),
        builder.convolution(squeeze, expanded, 3, '3x3'),
      ]),
    );
  });
}

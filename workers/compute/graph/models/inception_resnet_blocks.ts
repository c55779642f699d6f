/**
 * The common parts of the Inception-ResNets (Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual
 * Connections on Learning", 2016). Version 2 has the blocks of version 1 with other numbers of filters.
 * Names are those of the original's TF-slim scopes.
 */
import type { GraphBuilder, Layer } from '../builder.ts';

/** For both versions: at 75 pixels, the input of Mixed_7a is 3 × 3, the smallest that it can process. */
export const MINIMUM_IMAGE_SIZE = 75;

const VALID = { padding: 'VALID' } as const;
export const HALVING = { stride: 2, padding: 'VALID' } as const;

/** Up to Conv2d_4a_3x3: 192 channels at a quarter of the resolution. */
export function stem(builder: GraphBuilder, image: Layer): Layer {
  let layer = builder.convolution(image, 32, 3, 'Conv2d_1a_3x3', HALVING);
  layer = builder.convolution(layer, 32, 3, 'Conv2d_2a_3x3', VALID);
  layer = builder.convolution(layer, 64, 3, 'Conv2d_2b_3x3');
  layer = builder.maxPool(layer, 'MaxPool_3a_3x3', { size: 3, ...HALVING });
  layer = builder.convolution(layer, 80, 1, 'Conv2d_3b_1x1', VALID);
  return builder.convolution(layer, 192, 3, 'Conv2d_4a_3x3', VALID);
}

type Kernel = number | readonly [height: number, width: number];

/** One convolution of a branch. */
interface BranchLayer {
  readonly filters: number;
  readonly kernel: Kernel;
  readonly name: string;
  readonly halves?: boolean;
}

/** A branch: a sequence of convolutions in a scope that is named by the branch's place. */
export function branch(
  builder: GraphBuilder,
  index: number,
  input: Layer,
  layers: readonly BranchLayer[],
): Layer {
  return builder.scope(`Branch_${index}`, () =>
    layers.reduce(
      (layer, { filters, kernel, name, halves }) =>
        builder.convolution(layer, filters, kernel, name, halves ? HALVING : {}),
      input,
    ),
  );
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

/** @param filters numbers of filters in the third branch; the other two always have 32 */
export function block35(
  builder: GraphBuilder,
  input: Layer,
  filters: readonly [number, number, number],
  scale: number,
): Layer {
  const branches = [
    branch(builder, 0, input, [{ filters: 32, kernel: 1, name: 'Conv2d_1x1' }]),
    branch(builder, 1, input, [
      { filters: 32, kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: 32, kernel: 3, name: 'Conv2d_0b_3x3' },
    ]),
    branch(builder, 2, input, [
      { filters: filters[0], kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: filters[1], kernel: 3, name: 'Conv2d_0b_3x3' },
      { filters: filters[2], kernel: 3, name: 'Conv2d_0c_3x3' },
    ]),
  ];
  return mergeBranches(builder, input, branches, scale, true);
}

/** @param filters numbers of filters: the 1 × 1 branch, then 1 × 1, 1 × 7 and 7 × 1 of the other branch */
export function block17(
  builder: GraphBuilder,
  input: Layer,
  filters: readonly [number, number, number, number],
  scale: number,
): Layer {
  const branches = [
    branch(builder, 0, input, [{ filters: filters[0], kernel: 1, name: 'Conv2d_1x1' }]),
    branch(builder, 1, input, [
      { filters: filters[1], kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: filters[2], kernel: [1, 7], name: 'Conv2d_0b_1x7' },
      { filters: filters[3], kernel: [7, 1], name: 'Conv2d_0c_7x1' },
    ]),
  ];
  return mergeBranches(builder, input, branches, scale, true);
}

/** @param filters numbers of filters: the 1 × 1 branch, then 1 × 1, 1 × 3 and 3 × 1 of the other branch */
export function block8(
  builder: GraphBuilder,
  input: Layer,
  filters: readonly [number, number, number, number],
  scale: number,
  relu = true,
): Layer {
  const branches = [
    branch(builder, 0, input, [{ filters: filters[0], kernel: 1, name: 'Conv2d_1x1' }]),
    branch(builder, 1, input, [
      { filters: filters[1], kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: filters[2], kernel: [1, 3], name: 'Conv2d_0b_1x3' },
      { filters: filters[3], kernel: [3, 1], name: 'Conv2d_0c_3x1' },
    ]),
  ];
  return mergeBranches(builder, input, branches, scale, relu);
}

/** Mixed_6a. @param filters numbers of filters in the second branch; the first has 384, the third is a max pool */
export function reductionA(
  builder: GraphBuilder,
  input: Layer,
  filters: readonly [number, number, number],
): Layer {
  return builder.concat([
    branch(builder, 0, input, [{ filters: 384, kernel: 3, name: 'Conv2d_1a_3x3', halves: true }]),
    branch(builder, 1, input, [
      { filters: filters[0], kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: filters[1], kernel: 3, name: 'Conv2d_0b_3x3' },
      { filters: filters[2], kernel: 3, name: 'Conv2d_1a_3x3', halves: true },
    ]),
    poolingBranch(builder, 2, input),
  ]);
}

/**
 * Mixed_7a. All branches begin with 256 filters, except the last, which is a max pool.
 * @param filters numbers of filters in the 3 × 3 convolutions of the second and third branch
 */
export function reductionB(
  builder: GraphBuilder,
  input: Layer,
  filters: { readonly second: number; readonly third: readonly [number, number] },
): Layer {
  return builder.concat([
    branch(builder, 0, input, [
      { filters: 256, kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: 384, kernel: 3, name: 'Conv2d_1a_3x3', halves: true },
    ]),
    branch(builder, 1, input, [
      { filters: 256, kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: filters.second, kernel: 3, name: 'Conv2d_1a_3x3', halves: true },
    ]),
    branch(builder, 2, input, [
      { filters: 256, kernel: 1, name: 'Conv2d_0a_1x1' },
      { filters: filters.third[0], kernel: 3, name: 'Conv2d_0b_3x3' },
      { filters: filters.third[1], kernel: 3, name: 'Conv2d_1a_3x3', halves: true },
    ]),
    poolingBranch(builder, 3, input),
  ]);
}

function poolingBranch(builder: GraphBuilder, index: number, input: Layer): Layer {
  return builder.scope(`Branch_${index}`, () =>
    builder.maxPool(input, 'MaxPool_1a_3x3', { size: 3, ...HALVING }),
  );
}

/** Stacks `<scope>/<name>_1` … `<scope>/<name>_<count>`, with the names that TF-slim's repeat gives them. */
export function repeat(
  builder: GraphBuilder,
  input: Layer,
  scope: string,
  name: string,
  count: number,
  build: (input: Layer) => Layer,
): Layer {
  return builder.scope(scope, () => {
    let layer = input;
    for (let index = 1; index <= count; index++)
      layer = builder.scope(`${name}_${index}`, () => build(layer));
    return layer;
  });
}

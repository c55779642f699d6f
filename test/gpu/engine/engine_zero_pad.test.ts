/** Zero padding and its gradient on shapes drawn by hash, over memory that is NaN outside the operands. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import type { Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import { zeroPad, zeroPadGradient } from '../../../workers/compute/engine/kernels/zero_pad.ts';
import { rowsOf, type TensorView } from '../../../workers/compute/engine/tensor_view.ts';
import {
  Draws,
  memoryOfView,
  openTestDevice,
  randomValues,
  runKernels,
  slicedView,
  strayWrites,
  valuesOfView,
} from './engine_support.ts';

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const draws = new Draws(11);

/** Sizes before and after; the first adds channels only, the second rows and columns only. */
const cases = [0, 1, 2, 3, 4, 5].map((index) => {
  const before = {
    batch: draws.integer(1, 4),
    height: draws.integer(1, 7),
    width: draws.integer(1, 7),
    channels: index < 2 ? 8 : draws.integer(1, 9),
  };
  const after = {
    batch: before.batch,
    height: before.height + (index === 0 ? 0 : draws.integer(0, 3)),
    width: before.width + (index === 0 ? 0 : draws.integer(0, 3)),
    channels: before.channels + (index === 1 ? 0 : draws.integer(0, 9)),
  };
  return { before, after, accumulate: index % 2 === 1 };
});

/** [place in the small image, place in the large one] */
function* places(small: TensorView, large: TensorView): Generator<[number, number]> {
  for (let row = 0; row < rowsOf(small); row++) {
    const x = row % small.width;
    const y = Math.floor(row / small.width) % small.height;
    const image = Math.floor(row / (small.width * small.height));
    const largeRow = (image * large.height + y) * large.width + x;
    for (let c = 0; c < small.channels; c++) yield [row * small.channels + c, largeRow * large.channels + c];
  }
}

for (const { before, after, accumulate } of cases)
  it(`${Object.values(before).join('×')} to ${Object.values(after).join('×')}${accumulate ? ', added' : ''}`, async () => {
    const [input, output] = [slicedView('input', before, 0, 4), slicedView('output', after, 4, 0)];
    const values = randomValues(rowsOf(input) * input.channels, 1);
    const expected = new Float32Array(rowsOf(output) * output.channels);
    for (const [from, to] of places(input, output)) expected[to] = values[from]!;
    const found = await valuesAfter(zeroPad('pad', input, output), [[input, values]], output);
    expect(found).toEqual(expected);

    const gradient = slicedView('gradient', after, 1, 2);
    const inputGradient = slicedView('input gradient', before, 0, 4);
    const outer = randomValues(rowsOf(gradient) * gradient.channels, 2);
    const earlier = randomValues(values.length, 3);
    const expectedGradient = accumulate ? earlier.slice() : new Float32Array(values.length);
    for (const [to, from] of places(inputGradient, gradient)) expectedGradient[to]! += outer[from]!;
    const foundGradient = await valuesAfter(
      zeroPadGradient('gradient', gradient, inputGradient, accumulate),
      [[gradient, outer], ...(accumulate ? [[inputGradient, earlier] as const] : [])],
      inputGradient,
    );
    expect(foundGradient).toEqual(expectedGradient);
  });

/** Runs one kernel. @returns the values of the written view. Fails if anything around them has changed */
async function valuesAfter(
  kernel: Kernel,
  given: readonly (readonly [TensorView, Float32Array])[],
  written: TensorView,
): Promise<Float32Array> {
  const contents = new Map(given.map(([view, content]) => [view.memory, memoryOfView(content, view)]));
  const [memory] = await runKernels(device, [kernel], contents, [written.memory]);
  expect(strayWrites(memory!, written)).toBe(0);
  return valuesOfView(memory!, written);
}

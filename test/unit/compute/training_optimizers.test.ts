import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyOptimizer, optimizerSlots } from '../../../workers/compute/step/optimizers.ts';
import { OPTIMIZERS, type OptimizerName } from '../../../workers/protocol/train/options.ts';

/** The steps of one scalar after TensorFlow's documentation, in float64, independent of the code for arrays. */
function reference(name: OptimizerName, start: number, gradients: readonly number[], rate: number): number {
  let w = start;
  let a = name === 'ADAGRAD' ? 0.1 : name === 'RMSPROP' ? 1 : 0;
  let b = 0;
  gradients.forEach((g, index) => {
    const t = index + 1;
    if (name === 'ADAGRAD') {
      a += g ** 2;
      w -= rate * g * a ** -0.5;
    } else if (name === 'ADADELTA') {
      a = 0.9 * a + 0.1 * g ** 2;
      const update = (Math.sqrt(b + 1e-6) * g) / Math.sqrt(a + 1e-6);
      b = 0.9 * b + 0.1 * update ** 2;
      w -= rate * update;
    } else if (name === 'ADAM') {
      a = 0.9 * a + 0.1 * g;
      b = 0.999 * b + 0.001 * g ** 2;
      w -= (((rate * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)) * a) / (Math.sqrt(b) + 0.1);
    } else if (name === 'RMSPROP') {
      a = 0.9 * a + 0.1 * g ** 2;
      b = 0.9 * b + (rate * g) / Math.sqrt(a + 1);
      w -= b;
    } else {
      a = 0.9 * a + g;
      w -= rate * g + rate * 0.9 * a;
    }
  });
  return w;
}

describe.each(OPTIMIZERS)('%s', (name) => {
  it('takes the steps of TensorFlow’s formula', () => {
    const value = fc.double({ min: -3, max: 3, noNaN: true });
    fc.assert(
      fc.property(
        value,
        fc.array(value, { minLength: 1, maxLength: 6 }),
        fc.double({ min: 1e-4, max: 0.1, noNaN: true }),
        (start, gradients, rate) => {
          const parameter = Float32Array.of(start);
          const slots = optimizerSlots(name).map(({ initial }) => Float32Array.of(initial));
          const rounded = gradients.map(Math.fround);
          rounded.forEach((g, index) =>
            applyOptimizer(name, parameter, Float32Array.of(g), slots, index + 1, rate),
          );
          const expected = reference(name, Math.fround(start), rounded, rate);
          expect(Math.abs(parameter[0]! - expected)).toBeLessThan(2e-6 * (1 + Math.abs(expected)));
        },
      ),
    );
  });
});

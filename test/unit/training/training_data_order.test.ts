import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShuffledQueue } from '../../../workers/training/queue.ts';
import { splitClasses } from '../../../workers/training/split.ts';

describe('the queue of images', () => {
  it('gives every image once a pass, for any batch size, and the same again from any step', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 17 }),
        fc.nat(),
        (count, batchSize, seed) => {
          const queue = new ShuffledQueue(count, seed);
          const steps = Math.ceil((3 * count) / batchSize);
          const drawn = Array.from({ length: steps }, (_, step) => queue.batch(step, batchSize)).flat();
          for (let pass = 0; pass < 3; pass++)
            expect(drawn.slice(pass * count, (pass + 1) * count).sort((a, b) => a - b)).toEqual(
              Array.from({ length: count }, (_, i) => i),
            );
          const middle = Math.floor(steps / 2);
          expect(new ShuffledQueue(count, seed).batch(middle, batchSize)).toEqual(
            drawn.slice(middle * batchSize, (middle + 1) * batchSize),
          );
        },
      ),
    );
  });

  it('shuffles each pass differently', () => {
    const queue = new ShuffledQueue(50, 666);
    expect(queue.batch(0, 50)).not.toEqual(queue.batch(1, 50));
  });
});

describe('the validation split', () => {
  const classesOf = (sizes: readonly number[]) =>
    sizes.map((size, index) => ({
      name: `class ${index}`,
      images: Array.from({ length: size }, (_, i) => `${index}/${i}`),
    }));

  it('divides each class as the original does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
        fc.double({ min: 0.01, max: 0.9, noNaN: true }),
        fc.integer({ min: 0, max: 10 }),
        (sizes, ratio, minimum) => {
          const classes = classesOf(sizes);
          const { train, validation } = splitClasses(classes, ratio, minimum, 666);
          const expected = classes.flatMap(({ name, images }) => {
            const n = images.length;
            let split = Math.floor(n * (1 - ratio));
            if (split === n) split = n - 1;
            return split >= minimum && split >= 1 && n - split >= 1 ? [{ name, split, images }] : [];
          });
          expect(train.map(({ name, images }) => [name, images.length])).toEqual(
            expected.map(({ name, split }) => [name, split]),
          );
          expected.forEach(({ images }, index) =>
            expect([...train[index]!.images, ...validation[index]!.images].sort()).toEqual(
              [...images].sort(),
            ),
          );
        },
      ),
    );
  });

  it('keeps everything for training without a ratio', () => {
    const classes = classesOf([3, 1]);
    expect(splitClasses(classes, 0, 5, 1)).toEqual({ train: classes, validation: [] });
  });
});

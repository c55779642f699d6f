/** Numbers with their units, as the page shows them. */
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSmallShare } from '../../../src/ui/format.ts';

describe('a duration', () => {
  it.each([
    [0.2, 'less than a second'],
    [1, '1 second'],
    [59.4, '59 seconds'],
    [59.6, '1 minute'],
    [240, '4 minutes'],
    [61, '1 minute 1 second'],
    [599, '9 minutes 59 seconds'],
    [25 * 60 + 20, '25 minutes'],
    [3599, '1 hour'],
    [2 * 3600 + 5 * 60, '2 hours 5 minutes'],
    [Infinity, '–'],
    [-1, '–'],
  ])('of %d s is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

it('shares of an axis from 0 to 2 per cent differ', () => {
  expect([0, 0.005, 0.01, 0.015, 0.02].map(formatSmallShare)).toEqual(['0%', '0.5%', '1%', '1.5%', '2%']);
});

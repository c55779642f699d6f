import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';
import {
  CASIA_SCHEDULE,
  ScheduleError,
  learningRateOf,
  parseSchedule,
  scheduledRate,
} from '../../../workers/protocol/train/schedule.ts';

describe('learning rate schedule', () => {
  it('reads the guide’s file', () => {
    const entries = parseSchedule(CASIA_SCHEDULE);
    const rates = [1, 59, 60, 79, 80, 90, 91, 200].map((epoch) => scheduledRate(entries, epoch));
    expect(rates).toEqual([0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005, -1, -1]);
  });

  it('takes comments, spaces, CRLF and "-"', () => {
    expect(parseSchedule('# all\r\n\r\n 0 : 1e-2 # first\r\n5:-\r\n')).toEqual([
      { epoch: 0, rate: 0.01 },
      { epoch: 5, rate: -1 },
    ]);
  });

  it.each(['0 0.05', 'zero: 0.05', '0: fast', '1.5: 0.1', '0: 0.1 0.2'])(
    'names the bad line in "%s"',
    (line) => {
      try {
        parseSchedule(`0: 0.1\n${line}`);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(ScheduleError);
        expect((error as ScheduleError).line).toBe(2);
        expect((error as ScheduleError).message).toContain(line);
      }
    },
  );

  it('never fails in another way, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0159:.-# e\n\r\tx') }), (text) => {
        try {
          for (const { rate } of parseSchedule(text)) expect(Number.isFinite(rate)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ScheduleError);
        }
      }),
    );
  });

  it('decays a fixed rate in stairs', () => {
    const rate = learningRateOf({
      ...defaultTrainingOptions(),
      learning_rate: 0.1,
      learning_rate_decay_epochs: 2,
      learning_rate_decay_factor: 0.5,
      epoch_size: 10,
    });
    expect([0, 19, 20, 39, 40].map((step) => rate(1, step))).toEqual([0.1, 0.1, 0.05, 0.05, 0.025]);
  });
});

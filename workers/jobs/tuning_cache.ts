/** The engine's measured choices of kernels, kept by adapter: measured once, used by every later run. */
import type { TunedChoices, TuningCache } from '../compute/engine/tuning.ts';
import { openDatabase } from '../storage/database.ts';

export const storedTuningCache: TuningCache = {
  async load(adapter): Promise<TunedChoices | undefined> {
    return (await (await openDatabase()).get('tuning', adapter))?.choices as TunedChoices | undefined;
  },
  async save(adapter, choices): Promise<void> {
    await (await openDatabase()).put('tuning', { adapter, choices });
  },
};

/**
 * Settings in the page's address, for trying things out: `?people=4&photos=4&sample_seed=7` sizes the sample faces, and any
 * training option's own name (`?max_nrof_epochs=2&epoch_size=5`) overrides the sample run's preset.
 */
import { TRAINING_OPTIONS, type TrainingOptions } from '../../workers/training/options.ts';
import type { SampleFacesOptions } from '../../workers/protocol/dataset.ts';

const parameters = new URLSearchParams(location.search);

function integer(name: string, fallback: number, minimum: number, maximum: number): number {
  const value = Number.parseInt(parameters.get(name) ?? '', 10);
  return Number.isFinite(value) ? Math.min(maximum, Math.max(minimum, value)) : fallback;
}

export const sampleFacesOptions: SampleFacesOptions = {
  seed: integer('sample_seed', 1, 0, 2 ** 31 - 1),
  people: integer('people', 12, 2, 200),
  photosPerPerson: integer('photos', 6, 2, 200),
};

export function optionOverrides(): Partial<TrainingOptions> {
  const overrides: Record<string, unknown> = {};
  for (const { name, type, default: standard } of TRAINING_OPTIONS) {
    const text = parameters.get(name);
    if (text === null) continue;
    if (type === 'flag') overrides[name] = text !== 'false' && text !== '0';
    else overrides[name] = typeof standard === 'number' ? Number(text) : text;
  }
  return overrides;
}

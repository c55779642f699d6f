/**
 * Settings in the page's address, for trying things out: `?people=4&photos=4&sample_seed=7` sizes the sample faces, and any
 * training option's own name (`?max_nrof_epochs=2&epoch_size=5`) overrides the sample run's preset.
 */
import { SAMPLE_LIMITS } from '../../workers/protocol/align/limits.ts';
import { isAllowed, numberProblem } from '../../workers/protocol/number_limits.ts';
import { TRAINING_OPTIONS, type TrainingOptions } from '../../workers/protocol/train/options.ts';
import type { SampleFacesOptions } from '../../workers/protocol/data/dataset.ts';

const parameters = new URLSearchParams(location.search);

/** A number that is not allowed is as none. */
function sampleNumber(name: keyof typeof SAMPLE_LIMITS, fallback: number): number {
  const text = parameters.get(name)?.trim() ?? '';
  const value = text === '' ? fallback : Number(text);
  if (isAllowed(SAMPLE_LIMITS[name], value)) return value;
  console.warn(`${name}=${text} in the address is ignored. ${numberProblem(SAMPLE_LIMITS[name], value)}`);
  return fallback;
}

export const sampleFacesOptions: SampleFacesOptions = {
  seed: sampleNumber('sample_seed', 1),
  people: sampleNumber('people', 12),
  photosPerPerson: sampleNumber('photos', 6),
};

export function optionOverrides(): Partial<TrainingOptions> {
  const overrides: Record<string, unknown> = {};
  for (const { name, type, default: standard } of TRAINING_OPTIONS) {
    const text = parameters.get(name);
    if (text === null) continue;
    if (type === 'flag') overrides[name] = text !== 'false' && text !== '0';
    else
      overrides[name] =
        typeof standard === 'number' ? (text.trim() === '' ? Number.NaN : Number(text)) : text;
  }
  return overrides;
}

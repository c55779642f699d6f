/** What is wrong with a training option's value, before a run starts with it. */
import { TRAINING_OPTIONS, type OptionName, type TrainingOptions } from '../../workers/training/options.ts';
import { parseSchedule } from '../../workers/training/schedule.ts';

export function optionProblems(options: TrainingOptions): Partial<Record<OptionName, string>> {
  const problems: Partial<Record<OptionName, string>> = {};
  for (const option of TRAINING_OPTIONS) {
    const value = options[option.name];
    if (option.type !== 'integer' && option.type !== 'number') continue;
    const { minimum = -Infinity, maximum = Infinity } = option;
    if (typeof value !== 'number' || !Number.isFinite(value))
      problems[option.name] = 'A number is needed here.';
    else if (option.type === 'integer' && !Number.isInteger(value))
      problems[option.name] = 'A whole number is needed here.';
    else if (value < minimum) problems[option.name] = `At least ${minimum}.`;
    else if (value > maximum) problems[option.name] = `At most ${maximum}.`;
  }
  if (options.learning_rate <= 0)
    try {
      parseSchedule(options.learning_rate_schedule);
    } catch (error) {
      problems.learning_rate_schedule = error instanceof Error ? error.message : String(error);
    }
  return problems;
}

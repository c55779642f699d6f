/** Of a run's parameters, or of their exponential moving averages. */
import type { HostTensor, NamedTensors } from '../protocol/tensor.ts';

/**
 * A checkpoint's parameters, or the moving averages of those that have one: moving statistics have none, and a run with
 * moving_average_decay 0 has none at all.
 */
export function parametersOf(
  { parameters, state }: { readonly parameters: NamedTensors; readonly state: NamedTensors },
  useMovingAverages: boolean,
): Map<string, HostTensor> {
  if (!useMovingAverages) return new Map(parameters);
  return new Map(
    [...parameters].map(([name, tensor]) => [name, state.get(`${name}/ExponentialMovingAverage`) ?? tensor]),
  );
}

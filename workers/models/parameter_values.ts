/**
 * Values that no trained network has. They must be refused before a network runs: ReLU makes zero of what is no number,
 * on most devices, so that the embeddings of a damaged model look like numbers, and are the same for every face.
 */
import type { HostTensor, NamedTensors } from '../protocol/tensor.ts';
import { shortText } from '../protocol/quoted.ts';

export class ParameterNotFiniteError extends Error {
  override name = 'ParameterNotFiniteError';
  constructor(file: string, tensor: string, place: number, value: number) {
    super(
      `In ${file}, the value ${place + 1} of ${shortText(tensor)} is ${String(value)}: the model's training diverged, or the file is damaged. Use an earlier checkpoint, or get the file again from its source.`,
    );
  }
}

export class NegativeVarianceError extends Error {
  override name = 'NegativeVarianceError';
  constructor(file: string, tensor: string, place: number, value: number) {
    super(
      `In ${file}, the value ${place + 1} of ${shortText(tensor)} is ${value}, but a variance cannot be negative. The file is damaged or was changed. Get it again from its source.`,
    );
  }
}

/** Whether a parameter, by its name here, holds variances. */
export function isVariance(parameter: string): boolean {
  return parameter.endsWith('/moving_variance');
}

/**
 * @param file for the message
 * @param tensor its name in the file
 * @throws ParameterNotFiniteError, NegativeVarianceError
 */
export function checkTensorValues(
  file: string,
  tensor: string,
  { data }: HostTensor,
  holdsVariances = isVariance(tensor),
): void {
  for (let place = 0; place < data.length; place++) {
    const value = data[place]!;
    // Infinity less itself is no number either.
    if (value - value !== 0) throw new ParameterNotFiniteError(file, tensor, place, value);
    if (holdsVariances && value < 0) throw new NegativeVarianceError(file, tensor, place, value);
  }
}

/** Of all tensors. @throws ParameterNotFiniteError, NegativeVarianceError */
export function checkAllValues(file: string, tensors: NamedTensors): void {
  for (const [name, tensor] of tensors) checkTensorValues(file, name, tensor);
}

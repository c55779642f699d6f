/** Compares the engine with the TensorFlow.js executor over some steps, as a function for tests and for Node. */
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';
import type { Trainer, TrainerSettings } from '../../../workers/compute/executor.ts';
import type { StepMetrics } from '../../../workers/protocol/train/runs.ts';
import { relativeError } from './engine_support.ts';
import { smallBatch } from './engine_network.ts';

export interface ExecutorDifferences {
  readonly embeddings: number;
  readonly metrics: number;
  readonly gradients: number;
  readonly parameters: number;
  readonly state: number;
  readonly evaluation: number;
}

/** The largest relative error of any tensor; Infinity if the names differ. */
function largestError(found: NamedTensors, expected: NamedTensors): number {
  if ([...found.keys()].sort().join() !== [...expected.keys()].sort().join()) return Infinity;
  let largest = 0;
  for (const [name, { data }] of expected) {
    // Zero by construction: the gradient of a bias before a batch norm.
    if (data.every((value) => Math.abs(value) < 1e-6)) continue;
    const error = relativeError(found.get(name)!.data, data);
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

/** Runs both over the same steps. */
export async function compareExecutors(
  settings: TrainerSettings,
  executor: Trainer,
  oracle: Trainer,
  steps: number,
  learningRate = 0.01,
): Promise<ExecutorDifferences> {
  const parameters = initializeParameters(settings.graph, 5);
  const differences = { embeddings: 0, metrics: 0, gradients: 0, parameters: 0, state: 0, evaluation: 0 };
  const note = (name: keyof ExecutorDifferences, error: number): void => {
    if (!(error <= differences[name])) differences[name] = error;
  };
  for (const each of [executor, oracle]) await each.writeParameters(parameters);
  for (let step = 0; step < steps; step++) {
    const batch = smallBatch(step);
    const found = await executor.trainStep(batch, step, learningRate);
    const expected = await oracle.trainStep(batch, step, learningRate);
    for (const name of Object.keys(expected) as (keyof StepMetrics)[])
      note(
        'metrics',
        Math.abs((found[name] ?? NaN) - expected[name]!) / Math.max(Math.abs(expected[name]!), 1e-3),
      );
    note('gradients', largestError(await executor.readGradients(), await oracle.readGradients()));
  }
  note('parameters', largestError(await executor.readParameters(), await oracle.readParameters()));
  note('state', largestError(await executor.readState(), await oracle.readState()));
  const short = smallBatch(99, 4);
  note('embeddings', relativeError(await executor.embed(short), await oracle.embed(short)));
  const [found, expected] = [await executor.evaluateBatch(short), await oracle.evaluateBatch(short)];
  note('evaluation', Math.abs(found.crossEntropy - expected.crossEntropy) / expected.crossEntropy);
  note('evaluation', Math.abs(found.accuracy - expected.accuracy));
  return differences;
}

/** Parameters, optimizer slots and moving averages as host arrays, and the optimizer step on them. */
import { elementCount } from '../../protocol/tensor.ts';
import { type HostTensor, type NamedTensors } from '../../protocol/tensor.ts';
import type { ParameterSpec } from '../graph/ir.ts';
import { trainerSettings, type ExecutorSettings } from '../executor.ts';
import { applyOptimizer, optimizerSlots } from './optimizers.ts';

export class ShapeMismatchError extends Error {
  override name = 'ShapeMismatchError';
  constructor(name: string, expected: readonly number[], found: readonly number[]) {
    super(
      `${name} has the shape [${found.join(', ')}], but this network needs [${expected.join(', ')}]. It belongs to another network or another embedding_size.`,
    );
  }
}

const MOVING_AVERAGE = 'ExponentialMovingAverage';

export class HostParameters {
  readonly #settings: ExecutorSettings;
  readonly #specs: ReadonlyMap<string, ParameterSpec>;
  readonly #values = new Map<string, Float32Array>();
  /** `<parameter>/<slot>` and `<parameter>/ExponentialMovingAverage`; created in the first step. */
  readonly #state = new Map<string, HostTensor & { data: Float32Array }>();

  constructor(settings: ExecutorSettings) {
    this.#settings = settings;
    this.#specs = new Map(settings.graph.parameters.map((spec) => [spec.name, spec]));
    for (const { name, shape } of settings.graph.parameters)
      this.#values.set(name, new Float32Array(elementCount(shape)));
  }

  /** The live array, not a copy. */
  values(name: string): Float32Array {
    const values = this.#values.get(name);
    if (!values) throw new Error(`There is no parameter ${name}.`);
    return values;
  }

  /** weight_decay · Σ ½‖w‖² over the regularised parameters, in float64. */
  regularization(): number {
    const { weightDecay } = trainerSettings(this.#settings);
    if (weightDecay === 0) return 0;
    let sum = 0;
    for (const spec of this.#specs.values())
      if (spec.regularized) for (const value of this.values(spec.name)) sum += value * value;
    return (weightDecay * sum) / 2;
  }

  /**
   * One optimizer step. It adds the weight decay to the gradients in place, so that they are those of the total loss.
   * @param step number of steps done before this one
   */
  step(gradients: ReadonlyMap<string, Float32Array>, step: number, learningRate: number): void {
    const { optimizer, weightDecay, movingAverageDecay } = trainerSettings(this.#settings);
    const slots = optimizerSlots(optimizer);
    // min(decay, (1 + n)/(10 + n)) with n = step + 1 updates, including this one.
    const averageDecay = Math.min(movingAverageDecay, (2 + step) / (11 + step));
    for (const [name, gradient] of gradients) {
      const spec = this.#specs.get(name)!;
      const values = this.values(name);
      if (spec.regularized && weightDecay !== 0)
        for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! + weightDecay * values[i]!;
      // The average begins with the value before the first step.
      const average =
        movingAverageDecay > 0 ? this.#stateOf(spec, MOVING_AVERAGE, () => values.slice()) : undefined;
      applyOptimizer(
        optimizer,
        values,
        gradient,
        slots.map(({ suffix, initial }) =>
          this.#stateOf(spec, suffix, () => new Float32Array(values.length).fill(initial)),
        ),
        step + 1,
        learningRate,
      );
      if (average)
        for (let i = 0; i < values.length; i++)
          average[i] = average[i]! - (1 - averageDecay) * (average[i]! - values[i]!);
    }
  }

  readParameters(): Map<string, HostTensor> {
    return new Map(
      [...this.#specs.values()].map(({ name, shape }) => [name, { shape, data: this.values(name).slice() }]),
    );
  }

  /** @throws ShapeMismatchError before anything is written */
  writeParameters(tensors: NamedTensors): void {
    for (const [name, tensor] of tensors) {
      const spec = this.#specs.get(name);
      if (spec && spec.shape.join() !== tensor.shape.join())
        throw new ShapeMismatchError(name, spec.shape, tensor.shape);
    }
    for (const [name, tensor] of tensors) this.#values.get(name)?.set(tensor.data);
  }

  readState(): Map<string, HostTensor> {
    return new Map([...this.#state].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  }

  writeState(tensors: NamedTensors): void {
    for (const [name, tensor] of tensors) {
      const spec = this.#specs.get(name.slice(0, name.lastIndexOf('/')));
      if (!spec) continue;
      if (spec.shape.join() !== tensor.shape.join())
        throw new ShapeMismatchError(name, spec.shape, tensor.shape);
      this.#state.set(name, { shape: spec.shape, data: tensor.data.slice() });
    }
  }

  #stateOf(spec: ParameterSpec, suffix: string, create: () => Float32Array): Float32Array {
    const name = `${spec.name}/${suffix}`;
    let tensor = this.#state.get(name);
    if (!tensor) {
      tensor = { shape: spec.shape, data: create() };
      this.#state.set(name, tensor);
    }
    return tensor.data;
  }
}

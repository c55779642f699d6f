/**
 * The five optimizers with TensorFlow's formulas, on the CPU. The TensorFlow.js executor uses them, and they are the
 * oracle for the engine's kernels. Slots have the names of TensorFlow's slot variables, `<parameter>/<suffix>`.
 *
 * Values are rounded to float32 when they are stored. Products and sums within a formula are float64, which is at
 * least as exact.
 */
import type { OptimizerName } from '../../protocol/train/options.ts';

export interface OptimizerSlot {
  readonly suffix: string;
  readonly initial: number;
}

const SLOTS: Readonly<Record<OptimizerName, readonly OptimizerSlot[]>> = {
  ADAGRAD: [{ suffix: 'Adagrad', initial: 0.1 }],
  ADADELTA: [
    { suffix: 'Adadelta', initial: 0 },
    { suffix: 'Adadelta_1', initial: 0 },
  ],
  ADAM: [
    { suffix: 'Adam', initial: 0 },
    { suffix: 'Adam_1', initial: 0 },
  ],
  RMSPROP: [
    { suffix: 'RMSProp', initial: 1 },
    { suffix: 'RMSProp_1', initial: 0 },
  ],
  MOM: [{ suffix: 'Momentum', initial: 0 }],
};

/** The constants with which the original calls TensorFlow's optimizers. */
export const OPTIMIZER_CONSTANTS = {
  ADADELTA: { rho: 0.9, epsilon: 1e-6 },
  ADAM: { beta1: 0.9, beta2: 0.999, epsilon: 0.1 },
  RMSPROP: { decay: 0.9, momentum: 0.9, epsilon: 1.0 },
  MOM: { momentum: 0.9 },
} as const;

export function optimizerSlots(name: OptimizerName): readonly OptimizerSlot[] {
  return SLOTS[name];
}

/**
 * One step, in place.
 * @param slots in the order of `optimizerSlots(name)`, each as long as the parameter
 * @param t number of this step, from 1
 */
export function applyOptimizer(
  name: OptimizerName,
  parameter: Float32Array,
  gradient: Float32Array,
  slots: readonly Float32Array[],
  t: number,
  learningRate: number,
): void {
  const [first, second] = slots as [Float32Array, Float32Array];
  switch (name) {
    case 'ADAGRAD':
      return adagrad(parameter, gradient, first, learningRate);
    case 'ADADELTA':
      return adadelta(parameter, gradient, first, second, learningRate);
    case 'ADAM':
      return adam(parameter, gradient, first, second, t, learningRate);
    case 'RMSPROP':
      return rmsprop(parameter, gradient, first, second, learningRate);
    case 'MOM':
      return nesterovMomentum(parameter, gradient, first, learningRate);
  }
}

/** Duchi et al. 2011, without ε, because the accumulator starts above zero. */
function adagrad(
  parameter: Float32Array,
  gradient: Float32Array,
  accumulator: Float32Array,
  rate: number,
): void {
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]!;
    accumulator[i] = accumulator[i]! + g * g;
    parameter[i] = parameter[i]! - (rate * g) / Math.sqrt(accumulator[i]!);
  }
}

/** Zeiler 2012. */
function adadelta(
  parameter: Float32Array,
  gradient: Float32Array,
  accumulator: Float32Array,
  updates: Float32Array,
  rate: number,
): void {
  const { rho, epsilon } = OPTIMIZER_CONSTANTS.ADADELTA;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]!;
    accumulator[i] = rho * accumulator[i]! + (1 - rho) * g * g;
    const update = (Math.sqrt(updates[i]! + epsilon) / Math.sqrt(accumulator[i]! + epsilon)) * g;
    updates[i] = rho * updates[i]! + (1 - rho) * update * update;
    parameter[i] = parameter[i]! - rate * update;
  }
}

/** Kingma & Ba 2015 in TensorFlow's form: ε is added to √v before the bias correction ("epsilon hat"). */
function adam(
  parameter: Float32Array,
  gradient: Float32Array,
  m: Float32Array,
  v: Float32Array,
  t: number,
  rate: number,
): void {
  const { beta1, beta2, epsilon } = OPTIMIZER_CONSTANTS.ADAM;
  const corrected = (rate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]!;
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    parameter[i] = parameter[i]! - (corrected * m[i]!) / (Math.sqrt(v[i]!) + epsilon);
  }
}

/** Tieleman & Hinton 2012 with momentum; the mean square starts at 1. */
function rmsprop(
  parameter: Float32Array,
  gradient: Float32Array,
  meanSquare: Float32Array,
  momentum: Float32Array,
  rate: number,
): void {
  const constants = OPTIMIZER_CONSTANTS.RMSPROP;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]!;
    meanSquare[i] = meanSquare[i]! + (1 - constants.decay) * (g * g - meanSquare[i]!);
    momentum[i] =
      constants.momentum * momentum[i]! + (rate * g) / Math.sqrt(meanSquare[i]! + constants.epsilon);
    parameter[i] = parameter[i]! - momentum[i]!;
  }
}

/** Momentum with use_nesterov=True. */
function nesterovMomentum(
  parameter: Float32Array,
  gradient: Float32Array,
  accumulator: Float32Array,
  rate: number,
): void {
  const { momentum } = OPTIMIZER_CONSTANTS.MOM;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]!;
    accumulator[i] = momentum * accumulator[i]! + g;
    parameter[i] = parameter[i]! - rate * (g + momentum * accumulator[i]!);
  }
}

/** √Σg² over all gradients. */
export function gradientNorm(gradients: Iterable<Float32Array>): number {
  let squares = 0;
  for (const gradient of gradients) for (const value of gradient) squares += value * value;
  return Math.sqrt(squares);
}

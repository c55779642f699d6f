/**
 * The losses on a batch's prelogits and logits with their gradients, on the CPU in float64. The TensorFlow.js executor
 * trains with them, and they are the oracle for the engine's kernels.
 */

/** The original adds this to |prelogits|, so that the gradient of the norm is defined at zero. */
const PRELOGITS_NORM_EPSILON = 1e-4;

/** Mean softmax cross entropy and accuracy; `gradient`, when given, is set to ∂(mean cross entropy)/∂logits. */
export function softmaxCrossEntropy(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  gradient?: Float32Array,
): { crossEntropy: number; accuracy: number } {
  const count = labels.length;
  let loss = 0;
  let correct = 0;
  for (let n = 0; n < count; n++) {
    const row = logits.subarray(n * classes, (n + 1) * classes);
    const label = labels[n]!;
    let largest = 0;
    for (let k = 1; k < classes; k++) if (row[k]! > row[largest]!) largest = k;
    if (largest === label) correct++;
    let sum = 0;
    for (const value of row) sum += Math.exp(value - row[largest]!);
    const logSum = Math.log(sum) + row[largest]!;
    loss += logSum - row[label]!;
    if (gradient)
      for (let k = 0; k < classes; k++)
        gradient[n * classes + k] = (Math.exp(row[k]! - logSum) - (k === label ? 1 : 0)) / count;
  }
  return { crossEntropy: loss / count, accuracy: correct / count };
}

/**
 * The mean over the batch of ‖ |x| + 1e−4 ‖_p.
 * @param gradient if given, factor · ∂/∂prelogits is added to it
 */
export function prelogitsNorm(
  prelogits: Float32Array,
  count: number,
  p: number,
  factor: number,
  gradient?: Float32Array,
): number {
  const size = prelogits.length / count;
  let total = 0;
  for (let n = 0; n < count; n++) {
    const row = prelogits.subarray(n * size, (n + 1) * size);
    let sum = 0;
    for (const value of row) sum += (Math.abs(value) + PRELOGITS_NORM_EPSILON) ** p;
    const norm = sum ** (1 / p);
    total += norm;
    if (!gradient || factor === 0) continue;
    const outer = (factor / count) * norm ** (1 - p);
    for (let i = 0; i < size; i++) {
      const value = row[i]!;
      const magnitude = (Math.abs(value) + PRELOGITS_NORM_EPSILON) ** (p - 1);
      gradient[n * size + i] = gradient[n * size + i]! + outer * magnitude * Math.sign(value);
    }
  }
  return total / count;
}

/**
 * The mean of (prelogits − c_y)², with the centres before this step (Wen et al. 2016, in the original's form).
 * @param centers [classes, size]
 * @param gradient if given, factor · ∂/∂prelogits is added to it
 */
export function centerLoss(
  prelogits: Float32Array,
  labels: Int32Array,
  centers: Float32Array,
  factor: number,
  gradient?: Float32Array,
): number {
  const size = prelogits.length / labels.length;
  let sum = 0;
  for (let n = 0; n < labels.length; n++)
    for (let i = 0; i < size; i++) {
      const at = n * size + i;
      const difference = prelogits[at]! - centers[labels[n]! * size + i]!;
      sum += difference * difference;
      if (gradient && factor !== 0)
        gradient[at] = gradient[at]! + (factor * 2 * difference) / prelogits.length;
    }
  return sum / prelogits.length;
}

/** c ← c − (1 − alfa)(c − prelogits), in place. All differences use the centres before the step. */
export function updateCenters(
  centers: Float32Array,
  prelogits: Float32Array,
  labels: Int32Array,
  alfa: number,
): void {
  const size = prelogits.length / labels.length;
  const differences = new Float64Array(prelogits.length);
  for (let n = 0; n < labels.length; n++)
    for (let i = 0; i < size; i++)
      differences[n * size + i] = (1 - alfa) * (centers[labels[n]! * size + i]! - prelogits[n * size + i]!);
  for (let n = 0; n < labels.length; n++)
    for (let i = 0; i < size; i++) {
      const at = labels[n]! * size + i;
      centers[at] = centers[at]! - differences[n * size + i]!;
    }
}

/** Embeddings of invented people for tests. */
import { hashKey, uniform } from '../../../workers/common/random.ts';

/** Points of length 1 around one direction per class; the classes take turns. */
export function people(classes: number, each: number, dimension: number, spread: number, seed: number) {
  const key = hashKey(seed, 99);
  let drawn = 0;
  const draw = (): number => 2 * uniform(key, drawn++) - 1;
  const centres = Array.from({ length: classes }, () => Array.from({ length: dimension }, draw));
  const labels: number[] = [];
  const rows: number[] = [];
  for (let i = 0; i < classes * each; i++) {
    const label = i % classes;
    const row = centres[label]!.map((value) => value + spread * draw());
    const length = Math.hypot(...row);
    rows.push(...row.map((value) => value / length));
    labels.push(label);
  }
  return { embeddings: Float32Array.from(rows), dimension, labels };
}

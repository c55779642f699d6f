import { PRECISIONS, type Precision } from '../../workers/protocol/train/options.ts';
import { DEFAULT_ENGINE_BENCH } from '../engine/engine_bench.ts';

/** Reads the flag `--precision`. @throws Error, which names the choices */
export function choosePrecision(flag: string | boolean | undefined): Precision {
  const precision = PRECISIONS.find((name) => name === (flag ?? DEFAULT_ENGINE_BENCH.precision));
  if (!precision) throw new Error(`--precision is ${PRECISIONS.join(' or ')}, not ${String(flag)}.`);
  return precision;
}

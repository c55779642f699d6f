/**
 * `npm run bench -- precision`: the same runs with float32 and with float16, from the same initial values, on the same
 * batches. It shows whether float16 reaches the loss of float32, and what it saves. One run cannot separate chance
 * from a loss of quality, so there are several starts and a control (precision_run.ts). It runs in Node with Dawn.
 */
import { installWebGpu } from '../../cli/browser/node_webgpu.ts';
import type { Benchmark } from '../run_benchmarks.ts';
import { appendPrecisionRun, readPrecisionRuns } from './precision_results.ts';
import {
  PRECISION_KINDS,
  runWithPrecision,
  type PrecisionOptions,
  type PrecisionRun,
} from './precision_run.ts';
import { finalLossOf, summarizePrecision } from './precision_summary.ts';

const DEFAULTS: PrecisionOptions & { readonly starts: number } = {
  model: 'inception_resnet_v1',
  narrow: 1,
  batch: 8,
  imageSize: 80,
  classes: 10,
  steps: 40,
  learningRate: 0.02,
  starts: 1,
};

export const precisionBenchmark: Benchmark = {
  description: 'the same training runs with float32 and float16 activations; in Node',
  flags: {
    batch: { type: 'string', help: `images per batch (default ${DEFAULTS.batch})` },
    image_size: { type: 'string', help: `pixels (default ${DEFAULTS.imageSize})` },
    classes: { type: 'string', help: `classes (default ${DEFAULTS.classes})` },
    steps: { type: 'string', help: `steps of each run (default ${DEFAULTS.steps})` },
    starts: { type: 'string', help: `starts, each with three runs (default ${DEFAULTS.starts})` },
    learning_rate: { type: 'string', help: `default ${DEFAULTS.learningRate}` },
    model_def: { type: 'string', help: `the network (default ${DEFAULTS.model})` },
    narrow: { type: 'string', help: 'what the network’s channels are divided by (default 1)' },
    results: {
      type: 'string',
      help: 'a file that each finished run is added to; runs that are in it already are not repeated',
    },
  },
  async run({ flags, onMessage }) {
    const whole = (flag: string, fallback: number, smallest: number): number => {
      const value = Number(flags[flag] ?? fallback);
      if (!Number.isInteger(value) || value < smallest)
        throw new Error(`--${flag} must be a whole number above ${smallest - 1}.`);
      return value;
    };
    const options: PrecisionOptions = {
      model: String(flags.model_def ?? DEFAULTS.model),
      narrow: whole('narrow', DEFAULTS.narrow, 1),
      batch: whole('batch', DEFAULTS.batch, 2),
      imageSize: whole('image_size', DEFAULTS.imageSize, 2),
      classes: whole('classes', DEFAULTS.classes, 2),
      steps: whole('steps', DEFAULTS.steps, 2),
      learningRate: Number(flags.learning_rate ?? DEFAULTS.learningRate),
    };
    if (!(options.learningRate > 0)) throw new Error('--learning_rate must be a number above 0.');
    const starts = whole('starts', DEFAULTS.starts, 1);
    const results = typeof flags.results === 'string' ? flags.results : undefined;
    const earlier = results === undefined ? [] : readPrecisionRuns(results, options);
    await installWebGpu();
    const runs: PrecisionRun[] = [];
    for (let start = 1; start <= starts; start++)
      for (let turn = 0; turn < PRECISION_KINDS.length; turn++) {
        // Each start begins with a different kind, so that a machine that slows down does not favour one kind.
        const kind = PRECISION_KINDS[(start - 1 + turn) % PRECISION_KINDS.length]!;
        const done = earlier.find((run) => run.kind === kind && run.start === start);
        const run = done ?? (await runWithPrecision(kind, start, options, onMessage));
        if (!done && results !== undefined) appendPrecisionRun(results, options, run);
        runs.push(run);
        onMessage(`start ${start}, ${kind}: ${finalLossOf(run).toFixed(4)}${done ? ', from the file' : ''}`);
      }
    const summary = summarizePrecision(runs);
    return { report: { ...options, starts, summary, runs }, lines: describe(runs, summary) };
  },
};

function describe(runs: readonly PrecisionRun[], summary: ReturnType<typeof summarizePrecision>): string[] {
  const number = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(4));
  return [
    ...runs.map(
      (run) =>
        `start ${run.start}  ${run.kind.padEnd(8)}  loss ${number(run.losses[0]!)} → ${number(finalLossOf(run))}, ${(run.bytes / 1e6).toFixed(0)} MB, ${run.stepMs.toFixed(0)} ms a step, ${run.skippedSteps} steps skipped, ${run.adapter}`,
    ),
    '',
    'Cross entropy over the second half of the steps, mean ± deviation over the starts; difference from float32, mean ± standard error',
    ...summary.map(
      ({ kind, starts, finalLoss, finalLossDeviation, difference, differenceError }) =>
        `${kind.padEnd(8)}  ${starts} starts  ${number(finalLoss)} ± ${number(finalLossDeviation)}  ${number(difference)} ± ${number(differenceError)}`,
    ),
  ];
}

/** Everything after the network's outputs: losses with their gradients, metrics, centres and the histogram. */
import { DEFAULT_PRELOGITS_MAXIMUM } from '../../step/prelogits_histogram.ts';
import {
  crossEntropy,
  metrics,
  prelogitsLosses,
  rowResultsFloats,
  updateCenters,
  type PrelogitsLosses,
} from '../kernels/losses.ts';
import { prelogitsHistogram } from '../kernels/prelogits_histogram.ts';
import { storage, type TensorView } from '../tensor_view.ts';
import { squaredSums } from './optimizer.ts';
import type { ProgramBuilder } from './program_builder.ts';

export interface HeadViews {
  readonly logits: TensorView;
  readonly prelogits: TensorView;
}

/** @param gradients where training writes the gradients of the outputs */
export function addLosses(program: ProgramBuilder, values: HeadViews, gradients?: HeadViews): void {
  const { training: settings, cooperation } = program;
  const step = program.region('step');
  const labels = program.region('labels');
  const centers = program.region('centers');
  const lossScale = gradients && program.lossScale;
  const results = storage('row results', rowResultsFloats(settings.batchSize));
  const losses: PrelogitsLosses = {
    normFactor: settings.prelogitsNormLossFactor,
    normP: settings.prelogitsNormP,
    centerFactor: settings.centerLossFactor,
  };
  program.add(
    crossEntropy(values.logits, { labels, step, lossScale }, results, gradients?.logits, cooperation),
    prelogitsLosses(
      values.prelogits,
      { labels, step, centers, lossScale },
      results,
      gradients?.prelogits,
      losses,
      cooperation,
    ),
  );
  const squares =
    settings.weightDecay === 0
      ? undefined
      : squaredSums(program, 'parameters', program.layout.regularizedFloats);
  program.add(metrics({ metrics: program.region('metrics'), step }, results, 4, squares, cooperation));
}

/** After the backward pass: updates the centres and the histogram from the prelogits of the step. */
export function followPrelogits(program: ProgramBuilder, prelogits: TensorView): void {
  const { training: settings } = program;
  const [step, labels, centers] = [
    program.region('step'),
    program.region('labels'),
    program.region('centers'),
  ];
  program.add(
    updateCenters(prelogits, { labels, step, centers }, settings.centerLossAlfa),
    prelogitsHistogram(
      prelogits,
      { step, histogram: program.region('prelogits_histogram') },
      settings.prelogitsHistMax ?? DEFAULT_PRELOGITS_MAXIMUM,
    ),
  );
}

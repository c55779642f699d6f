import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import type { SavedEvaluation } from '../../../workers/protocol/evaluate/evaluate.ts';
import { deleteRun } from '../../../workers/storage/runs.ts';
import * as evaluations from '../../../workers/storage/saved_evaluations.ts';

function evaluation(id: string, modelId: string | undefined, at: number): SavedEvaluation {
  return {
    ...{ id, modelId, at, modelName: id, imagesName: 'faces', images: [] },
    options: {
      lfw_batch_size: 100,
      lfw_distance_metric: 1,
      lfw_use_flipped_images: false,
      lfw_subtract_mean: false,
    },
    result: {
      ...{ accuracy: 0.9, accuracyStd: 0, accuracyPerFold: [0.9], bestThresholdPerFold: [0.4] },
      ...{ val: 0.5, valStd: 0, far: 0.001, farTarget: 0.001, valThresholdPerFold: [0.3], auc: 1, eer: 0 },
      roc: { falseAcceptRate: Float64Array.of(0, 1), trueAcceptRate: Float64Array.of(0, 1) },
      ...{ pairCount: 2, skippedPairs: 0, skippedCauses: [], imageCount: 4, durationMs: 1 },
      histogram: { start: 0, binWidth: 0.1, same: [1], different: [1] },
      wrong: { falseAccepts: [], falseRejects: [], falseAcceptCount: 0, falseRejectCount: 0 },
      pairsChecksum: '00000000',
      measured: {
        distances: Float64Array.of(0.1, 0.2),
        same: Uint8Array.of(1, 0),
        falseAcceptsOutside: new Int32Array(4000),
        differentOutside: Int32Array.of(1),
      },
    },
  };
}

describe('kept evaluations', () => {
  it('are listed the newest first, without what only their own page shows, and go with their model', async () => {
    await evaluations.saveEvaluation(evaluation('a', 'run-1', 1));
    await evaluations.saveEvaluation(evaluation('b', 'run-1', 3));
    await evaluations.saveEvaluation(evaluation('c', 'run-2', 2));
    await evaluations.saveEvaluation(evaluation('d', undefined, 4));
    const list = await evaluations.listEvaluations();
    expect(list.map(({ id }) => id)).toEqual(['d', 'b', 'c', 'a']);
    expect(Object.keys(list[0]!.result)).not.toContain('measured');
    expect(list[0]!.result.roc.trueAcceptRate).toEqual(Float64Array.of(0, 1));
    expect((await evaluations.evaluationsOf('run-1')).map(({ id }) => id)).toEqual(['b', 'a']);
    expect((await evaluations.readEvaluation('a'))!.result.measured.distances).toEqual(
      Float64Array.of(0.1, 0.2),
    );
    await deleteRun('run-1');
    expect((await evaluations.listEvaluations()).map(({ id }) => id)).toEqual(['d', 'c']);
    await evaluations.deleteEvaluation('d');
    expect(await evaluations.readEvaluation('d')).toBeUndefined();
  });
});

/** Evaluations with all their measurements, stored with their model. */
import type { EvaluationOverview, SavedEvaluation } from '../protocol/evaluate/evaluate.ts';
import { openDatabase } from './database.ts';

export async function saveEvaluation(evaluation: SavedEvaluation): Promise<void> {
  await (await openDatabase()).put('savedEvaluations', evaluation);
}

export async function readEvaluation(id: string): Promise<SavedEvaluation | undefined> {
  return (await openDatabase()).get('savedEvaluations', id);
}

/** Newest first. */
export async function listEvaluations(): Promise<EvaluationOverview[]> {
  const all: EvaluationOverview[] = [];
  const { store } = (await openDatabase()).transaction('savedEvaluations');
  // One at a time, because each evaluation has the distance of every pair.
  for await (const { value } of store) all.push(overviewOf(value));
  return all.sort((a, b) => b.at - a.at);
}

/** Newest first. */
export async function evaluationsOf(modelId: string): Promise<EvaluationOverview[]> {
  const found = await (await openDatabase()).getAllFromIndex('savedEvaluations', 'byModel', modelId);
  return found.map(overviewOf).sort((a, b) => b.at - a.at);
}

export async function deleteEvaluation(id: string): Promise<void> {
  await (await openDatabase()).delete('savedEvaluations', id);
}

export async function deleteEvaluationsOf(modelId: string): Promise<void> {
  const { store, done } = (await openDatabase()).transaction('savedEvaluations', 'readwrite');
  const keys = await store.index('byModel').getAllKeys(modelId);
  await Promise.all([...keys.map((key) => store.delete(key)), done]);
}

function overviewOf({ result, ...evaluation }: SavedEvaluation): EvaluationOverview {
  const {
    measured: _pairs,
    wrong: _wrong,
    histogram: _histogram,
    skippedCauses: _causes,
    skippedFiles: _files,
    ...shown
  } = result;
  return { ...evaluation, result: shown };
}

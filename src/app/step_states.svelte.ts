/**
 * What the step navigation says about each step: what runs now, else what this visit is about, else what is stored, so
 * that a reload forgets nothing. A step is `done`, and has a tick, only when what came of it is good.
 */
import { isKnownToGuess, pairVerdict } from '../../workers/protocol/evaluate/verdicts.ts';
import type { Parts } from './parts.ts';
import { formatCount, formatCountOf, formatShare } from '../ui/format.ts';
import type { StepName } from '../session/navigation.svelte.ts';

export interface StepState {
  readonly kind: 'empty' | 'ready' | 'busy' | 'done' | 'problem';
  readonly text: string;
  /** 0 … 1 of a running job. */
  readonly share: number;
}

const plain = (kind: StepState['kind'], text: string): StepState => ({ kind, text, share: 0 });

export function stepStates(app: Parts): Record<StepName, StepState> {
  return {
    photos: photosState(app),
    train: trainState(app),
    evaluate: evaluateState(app),
    models: modelsState(app),
    use: useState(app),
  };
}

function photosState({ photos, library, sets }: Parts): StepState {
  if (photos.drawing) {
    const { done, total } = photos.drawing;
    return { kind: 'busy', text: 'drawing', share: done / Math.max(total, 1) };
  }
  if (photos.isBusy) {
    const { done = 0, total = 1 } = photos.progress.photos ?? {};
    return {
      kind: 'busy',
      text: photos.status === 'paused' ? 'paused' : 'aligning',
      share: done / Math.max(total, 1),
    };
  }
  if (photos.problem ?? photos.input.problem) return plain('problem', 'needs attention');
  if (photos.summary) return alignedState(photos);
  if (photos.input.isScanning) return plain('empty', 'reading');
  if (photos.input.summary) return plain('ready', formatCountOf(photos.input.summary.imageCount, 'photo'));
  // In the browser's own storage, and in folders of the person's.
  const folderCount = library
    .foldersFor('aligned')
    .filter(({ reference }) => reference.kind === 'handle').length;
  const setCount = sets.aligned.length + folderCount;
  if (setCount > 0) return plain('done', formatCountOf(setCount, 'set'));
  return plain('empty', 'choose a folder');
}

/** Done is what can be trained on. */
function alignedState({ summary, faceCount, faces, aligned }: Parts['photos']): StepState {
  if (faceCount === 0) return plain('problem', 'no faces');
  const isEnough = !summary?.cancelled && (!aligned || faces.personCount > 1);
  return plain(isEnough ? 'done' : 'ready', formatCountOf(faceCount, 'face'));
}

/** Words that do not fit a small screen have a soft hyphen. */
function trainState({ train, library }: Parts): StepState {
  if (train.isBusy) {
    const { live } = train;
    const step = live?.last?.step ?? 0;
    const text = train.status === 'paused' ? 'paused' : live ? `epoch ${live.last?.epoch ?? 1}` : 'starting';
    return { kind: 'busy', text, share: live ? step / live.totalSteps : 0 };
  }
  if (train.problem) return plain('problem', 'needs attention');
  if (library.interrupted.length > 0) return plain('problem', 'inter\u00ADrupted');
  const elsewhere = library.runs.find(({ status }) => status === 'running' || status === 'paused');
  if (elsewhere) {
    const { max_nrof_epochs, epoch_size } = elsewhere.options;
    return { kind: 'busy', text: 'in another tab', share: elsewhere.step / (max_nrof_epochs * epoch_size) };
  }
  const finished = library.runs.filter(({ status }) => status === 'finished');
  if (finished.length > 0)
    return finished.every(isKnownToGuess)
      ? plain('ready', 'guess\u00ADing')
      : plain('done', formatCountOf(library.trainedRuns.length, 'run'));
  if (library.trainedRuns.length > 0) return plain('ready', 'stopped early');
  if (train.dataset.summary) return plain('ready', 'ready to start');
  return library.runs.length > 0 ? plain('problem', 'failed') : plain('empty', 'no run yet');
}

function evaluateState({ evaluate, library }: Parts): StepState {
  if (evaluate.isBusy) {
    const { done = 0, total = 1 } = evaluate.progress ?? {};
    return { kind: 'busy', text: 'evalu\u00ADating', share: done / Math.max(total, 1) };
  }
  if (evaluate.problem) return plain('problem', 'needs attention');
  // One that could not be stored is only shown.
  const known = [...(evaluate.shown ? [evaluate.shown] : []), ...library.evaluations];
  const [newest] = known.sort((a, b) => b.at - a.at);
  if (!newest) return plain('empty', 'not evaluated');
  const { accuracy, pairCount } = newest.result;
  const isGood = pairVerdict(accuracy, pairCount) === 'good';
  return plain(isGood ? 'done' : 'ready', `${formatShare(accuracy)} correct`);
}

function modelsState({ library, exports }: Parts): StepState {
  if (exports.isBusy) return { kind: 'busy', text: 'exporting', share: 0.5 };
  const items = [...exports.all.values()];
  if (items.some(({ status }) => status === 'failed')) return plain('problem', 'needs attention');
  const ids = [...library.trainedRuns, ...library.models].map(({ id }) => id);
  const exported = ids.filter((id) => exports.exportedIds.has(id)).length;
  if (exported > 0) return plain('done', `${formatCount(exported)} exported`);
  return ids.length > 0 ? plain('ready', formatCountOf(ids.length, 'model')) : plain('empty', 'no model yet');
}

function useState({ use, inspect, library }: Parts): StepState {
  const { job, identify, compare } = use;
  if (inspect.isBusy) return { kind: 'busy', text: 'inspecting', share: inspect.share ?? 0 };
  if (job.isBusy) return { kind: 'busy', text: 'working', share: job.done / Math.max(job.total, 1) };
  if (identify.problem ?? compare.problem) return plain('problem', 'needs attention');
  if (identify.people.length > 0)
    return plain('done', formatCountOf(identify.people.length, 'person', 'people'));
  if (compare.faces.length > 0) return plain('done', formatCountOf(compare.faces.length, 'face'));
  const [kept] = library.galleries;
  if (kept) return plain('done', `${formatCountOf(kept.people, 'person', 'people')} saved`);
  return plain('empty', 'compare, identify');
}

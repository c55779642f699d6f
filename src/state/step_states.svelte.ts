/** What the step navigation says about each step. */
import type { ApplicationParts } from './application_parts.svelte.ts';
import { formatCountOf, formatShare } from './format.ts';
import type { StepName } from './navigation.svelte.ts';

export interface StepState {
  readonly kind: 'empty' | 'ready' | 'busy' | 'done' | 'problem';
  readonly text: string;
  /** 0 … 1 of a running job. */
  readonly share: number;
}

const plain = (kind: StepState['kind'], text: string): StepState => ({ kind, text, share: 0 });

export function stepStates(app: ApplicationParts): Record<StepName, StepState> {
  return {
    photos: photosState(app),
    train: trainState(app),
    evaluate: evaluateState(app),
    models: modelsState(app),
    use: useState(app),
  };
}

function photosState({ photos }: ApplicationParts): StepState {
  if (photos.drawing) {
    const { done, total } = photos.drawing;
    return { kind: 'busy', text: 'drawing', share: done / Math.max(total, 1) };
  }
  if (photos.isBusy) {
    const { done = 0, total = 1 } = photos.progress ?? {};
    return {
      kind: 'busy',
      text: photos.status === 'paused' ? 'paused' : 'aligning',
      share: done / Math.max(total, 1),
    };
  }
  if (photos.problem ?? photos.input.problem) return plain('problem', 'needs you');
  if (photos.summary) return plain('done', formatCountOf(photos.summary.successfullyAligned, 'face'));
  if (photos.input.isScanning) return plain('empty', 'reading');
  if (photos.input.summary) return plain('ready', formatCountOf(photos.input.summary.imageCount, 'photo'));
  return plain('empty', 'choose a folder');
}

/** Words that do not fit a small screen have a soft hyphen. */
function trainState({ train, library }: ApplicationParts): StepState {
  if (train.isBusy) {
    const { live } = train;
    const step = live?.last?.step ?? 0;
    const text = train.status === 'paused' ? 'paused' : live ? `epoch ${live.last?.epoch ?? 1}` : 'starting';
    return { kind: 'busy', text, share: live ? step / live.totalSteps : 0 };
  }
  if (train.problem) return plain('problem', 'needs you');
  if (library.interrupted.length > 0) return plain('problem', 'inter\u00ADrupted');
  const finished = library.runs.filter(({ status }) => status === 'finished' || status === 'stopped').length;
  if (finished > 0) return plain('done', formatCountOf(finished, 'run'));
  return train.dataset.summary ? plain('ready', 'ready to start') : plain('empty', 'no run yet');
}

function evaluateState({ evaluate }: ApplicationParts): StepState {
  if (evaluate.isBusy) {
    const { done = 0, total = 1 } = evaluate.progress ?? {};
    return { kind: 'busy', text: 'measur\u00ADing', share: done / Math.max(total, 1) };
  }
  if (evaluate.problem) return plain('problem', 'needs you');
  if (evaluate.result) return plain('done', `${formatShare(evaluate.result.accuracy)} right`);
  return plain('empty', 'not measured');
}

function modelsState({ library, exports }: ApplicationParts): StepState {
  if (exports.isBusy) return { kind: 'busy', text: 'exporting', share: 0.5 };
  const items = [...exports.all.values()];
  if (items.some(({ status }) => status === 'failed')) return plain('problem', 'needs you');
  if (items.length > 0) return plain('done', formatCountOf(items.length, 'export'));
  const count = library.runs.length + library.models.length;
  return count > 0 ? plain('ready', formatCountOf(count, 'model')) : plain('empty', 'none yet');
}

function useState({ use, look }: ApplicationParts): StepState {
  const { job, identify, compare } = use;
  if (look.isBusy) return { kind: 'busy', text: 'looking', share: look.share ?? 0 };
  if (job.isBusy) return { kind: 'busy', text: 'looking', share: job.done / Math.max(job.total, 1) };
  if (identify.problem ?? compare.problem) return plain('problem', 'needs you');
  if (identify.people.length > 0)
    return plain('done', formatCountOf(identify.people.length, 'person', 'people'));
  if (compare.faces.length > 0) return plain('done', formatCountOf(compare.faces.length, 'face'));
  return plain('empty', 'compare, identify');
}

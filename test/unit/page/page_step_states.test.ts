/** The step navigation: correct after a reload, and a tick only for good results. */
import { describe, expect, it } from 'vitest';
import type { Parts } from '../../../src/app/parts.ts';
import { stepStates, type StepState } from '../../../src/app/step_states.svelte.ts';
import {
  isGuessedAccuracy,
  isKnownToGuess,
  pairVerdict,
} from '../../../workers/protocol/evaluate/verdicts.ts';

type Step = keyof ReturnType<typeof stepStates>;
type Changes = Record<string, Record<string, unknown>>;

/** A page right after it was loaded; `library` is the stored data. */
function states(changes: Changes = {}): Record<Step, StepState> {
  const fresh: Changes = {
    photos: { input: {}, status: 'idle' },
    train: { status: 'idle', dataset: {} },
    evaluate: { status: 'idle' },
    exports: { all: new Map(), exportedIds: new Set() },
    use: { job: {}, identify: { people: [] }, compare: { faces: [] } },
    inspect: {},
    sets: { aligned: [] },
  };
  const library = { runs: [], models: [], evaluations: [], galleries: [], folders: [], ...changes.library };
  const runs = library.runs as { step: number; status: string }[];
  const merged = Object.fromEntries(
    Object.entries(fresh).map(([name, part]) => [name, { ...part, ...changes[name] }]),
  );
  return stepStates({
    ...merged,
    library: {
      ...library,
      trainedRuns: runs.filter(({ step }) => step > 0),
      interrupted: runs.filter(({ status }) => status === 'interrupted'),
      foldersFor: () => library.folders,
    },
  } as unknown as Parts);
}

function of(step: Step, changes: Changes = {}): string {
  const { kind, text } = states(changes)[step];
  return `${kind}: ${text.replaceAll('\u00AD', '')}`;
}

const run = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: '20260101-100000',
  status: 'finished',
  step: 6,
  epoch: 1,
  classNames: ['a', 'b', 'c', 'd', 'e'],
  options: { max_nrof_epochs: 2, epoch_size: 3 },
  ...changes,
});
const evaluation = (accuracy: number): Record<string, unknown> => ({
  at: 5,
  result: { accuracy, pairCount: 600 },
});
const folder = (kind: string, path: string): Record<string, unknown> => ({ reference: { kind, path } });

describe('after a reload', () => {
  it('says of each step what is stored', () => {
    const library = {
      // The first one is also among the stored sets.
      folders: [folder('private', 'aligned/a'), folder('handle', 'my faces')],
      runs: [run(), run({ id: '20260102-100000' })],
      evaluations: [evaluation(0.95), evaluation(0.5)],
      models: [{ id: 'imported' }],
      galleries: [{ people: 4 }],
    };
    const sets = { aligned: [{ path: 'aligned/a' }, { path: 'aligned/b' }] };
    expect(of('photos', { library, sets })).toBe('done: 3 sets');
    expect(of('train', { library })).toBe('done: 2 runs');
    expect(of('evaluate', { library })).toBe('done: 95.0% correct');
    expect(of('models', { library })).toBe('ready: 3 models');
    expect(of('models', { library, exports: { exportedIds: new Set(['imported', 'deleted']) } })).toBe(
      'done: 1 exported',
    );
    expect(of('use', { library })).toBe('done: 4 people saved');
  });

  it('says that nothing is there where nothing is stored', () => {
    const all = states();
    expect(Object.values(all).map(({ kind }) => kind)).toEqual(Array(5).fill('empty'));
  });

  it('shows a run of another tab as running, and a failed one as failed', () => {
    const running = states({ library: { runs: [run({ status: 'running', step: 3 })] } }).train;
    expect(running).toEqual({ kind: 'busy', text: 'in another tab', share: 0.5 });
    expect(of('train', { library: { runs: [run({ status: 'failed', step: 0 })] } })).toBe('problem: failed');
  });
});

describe('ticks', () => {
  it('are only for alignments that can be trained on', () => {
    const aligned = (
      faceCount: number,
      personCount: number,
      changes: Record<string, unknown> = {},
    ): string => {
      const photos = {
        summary: { cancelled: false },
        aligned: {},
        input: {},
        faceCount,
        faces: { personCount },
      };
      return of('photos', { photos: { ...photos, ...changes } });
    };
    expect(aligned(0, 0)).toBe('problem: no faces');
    expect(aligned(15, 2)).toBe('done: 15 faces');
    expect(aligned(15, 1)).toBe('ready: 15 faces');
    expect(aligned(15, 2, { summary: { cancelled: true } })).toBe('ready: 15 faces');
    // The page cannot read a zip file that it has written.
    expect(aligned(15, 0, { aligned: undefined })).toBe('done: 15 faces');
  });

  it('are not for a run that was stopped early, or learned nothing', () => {
    expect(of('train', { library: { runs: [run({ status: 'stopped', step: 2 })] } })).toBe(
      'ready: stopped early',
    );
    const guessing = run({ best: { measuredBy: 'validation', accuracy: 0.22 } });
    expect(of('train', { library: { runs: [guessing] } })).toBe('ready: guessing');
    expect(of('train', { library: { runs: [guessing, run()] } })).toBe('done: 2 runs');
  });

  it('are only for pairs that are mostly judged correctly', () => {
    const judged = (accuracy: number): string =>
      of('evaluate', { library: { evaluations: [evaluation(accuracy)] } });
    expect(judged(0.577)).toBe('ready: 57.7% correct');
    expect(judged(0.717)).toBe('ready: 71.7% correct');
    expect(judged(0.93)).toBe('done: 93.0% correct');
    // An evaluation that could not be stored.
    expect(of('evaluate', { evaluate: { shown: evaluation(0.93) } })).toBe('done: 93.0% correct');
  });

  it('are not for a model that is not there yet, nor for an export that was stopped', () => {
    expect(of('models', { library: { runs: [run({ status: 'running', step: 0 })] } })).toBe(
      'empty: no model yet',
    );
    const all = new Map([['x', { status: 'stopped', model: { id: 'x' } }]]);
    expect(of('models', { exports: { all, exportedIds: new Set() }, library: { runs: [run()] } })).toBe(
      'ready: 1 model',
    );
  });
});

describe('verdicts', () => {
  it('know guessing from a weak and a good result', () => {
    expect(pairVerdict(0.5)).toBe('guessing');
    // 12 pairs are judged this well by luck.
    expect(pairVerdict(0.75, 12)).toBe('guessing');
    expect(pairVerdict(0.75, 1200)).toBe('weak');
    expect(pairVerdict(0.95, 6000)).toBe('good');
    expect(pairVerdict(NaN)).toBe('guessing');
  });

  it('compare an accuracy with that of naming at random', () => {
    expect(isGuessedAccuracy(0.54, 2)).toBe(true);
    expect(isGuessedAccuracy(0.7, 2)).toBe(false);
    expect(isGuessedAccuracy(0.24, 5)).toBe(true);
    expect(isGuessedAccuracy(0.5, 6)).toBe(false);
    expect(isGuessedAccuracy(0.05, 100)).toBe(false);
  });

  it('of a run come from the pairs where there are some', () => {
    const classNames = ['a', 'b', 'c', 'd', 'e'];
    const best = { step: 1, epoch: 1, measuredBy: 'validation', accuracy: 0.2 } as const;
    const lastEvaluation = { step: 1, epoch: 1, accuracy: 0.8, valRate: 0 };
    expect(isKnownToGuess({ classNames, best })).toBe(true);
    expect(isKnownToGuess({ classNames, best, lastEvaluation })).toBe(false);
    expect(isKnownToGuess({ classNames })).toBe(false);
  });
});

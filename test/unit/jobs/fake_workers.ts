/**
 * Replaces src/session/workers.ts with workers that the test controls. Mock it with
 * `vi.mock('../../../src/session/workers.ts', () => import('./fake_workers.ts'))`.
 */
type Method = (...args: unknown[]) => unknown;

/** Answers by method name. A method without an answer resolves to undefined. */
export const answers = new Map<string, Method>();

const api = new Proxy(
  {},
  {
    get:
      (_, method) =>
      async (...args: unknown[]) =>
        answers.get(String(method))?.(...args),
  },
);

const worker = {
  call: (use: (asked: unknown) => unknown): unknown => use(api),
  release: (): void => undefined,
  endUnlessStopped: (): Promise<void> => Promise.resolve(),
};

/** As the real ones; no fake worker has to be ended. */
export const STOP_AT_ONCE_MS = 2500;
export const STOP_SOON_MS = 15_000;

export {
  worker as alignWorker,
  worker as chartsWorker,
  worker as datasetWorker,
  worker as embeddingWorker,
  worker as evaluationWorker,
  worker as exportWorker,
  worker as identifyWorker,
  worker as importWorker,
  worker as libraryWorker,
  worker as inspectWorker,
  worker as tableWorker,
  worker as trainWorker,
};

/** Nothing is stored. */
export function answerAsEmpty(): void {
  answers.clear();
  answers.set('recallLeftOut', (asked) => asked);
  for (const list of [
    'listRuns',
    'listModels',
    'listEvaluations',
    'listFolders',
    'listGalleries',
    'listCheckpoints',
    'readValidations',
    'readEvaluations',
  ])
    answers.set(list, () => []);
  answers.set('open', () => ({ stepCount: 0, newest: [] }));
}

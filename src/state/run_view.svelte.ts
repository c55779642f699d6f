/** One run as the Train page shows it: its record, what was measured step by step, and its log. */
import type { ChartRequest, RunChart } from '../../workers/protocol/charts.ts';
import type {
  CheckpointSummary,
  EvaluationSummary,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../workers/protocol/runs.ts';
import { formatStep } from '../../workers/training/step_line.ts';
import { chartsWorker, libraryWorker } from './workers.ts';

const LOG_LINES_KEPT = 300;
/** Steps whose mean duration tells the time left. */
const RATE_WINDOW = 20;

export interface LogLine {
  readonly id: number;
  readonly text: string;
  readonly kind: 'step' | 'note' | 'warning';
}

export class RunView {
  run = $state.raw<RunRecord>() as RunRecord;
  /** Counts up whenever there are other steps; what draws them depends on it. */
  version = $state(0);
  validations = $state.raw<readonly ValidationRecord[]>([]);
  evaluations = $state.raw<readonly EvaluationSummary[]>([]);
  log = $state.raw<readonly LogLine[]>([]);
  last = $state.raw<StepRecord | undefined>();
  /** The newest steps; all of them are the charts worker's, since there may be half a million. */
  #newest: readonly StepRecord[] = [];
  #nextLogId = 0;

  constructor(run: RunRecord) {
    this.run = run;
  }

  /** What an earlier visit measured. */
  async load(): Promise<void> {
    const { id } = this.run;
    const [{ newest }, validations, evaluations] = await Promise.all([
      chartsWorker.call((api) => api.open(id, this.#batchSize)),
      libraryWorker.call((api) => api.readValidations(id)),
      libraryWorker.call((api) => api.readEvaluations(id)),
    ]);
    this.validations = validations;
    this.evaluations = evaluations;
    this.log = [];
    this.#newest = [];
    this.#show(newest);
  }

  get #batchSize(): number {
    return this.run.options.batch_size;
  }

  /** A run that went on does the steps after its checkpoint again: they replace what was measured before. */
  async forgetAfter(step: number): Promise<void> {
    this.#newest = this.#newest.filter((record) => record.step <= step);
    this.last = this.#newest.at(-1);
    await chartsWorker.call((api) => api.truncate(this.run.id, this.#batchSize, step));
    this.version++;
  }

  async addSteps(records: readonly StepRecord[]): Promise<void> {
    if (records.length === 0) return;
    const sent = chartsWorker.call((api) => api.append(this.run.id, this.#batchSize, records));
    this.#show(records);
    await sent;
  }

  /** Takes over what another tab has stored of the run since. @param run as it is stored now */
  async follow(run: RunRecord): Promise<void> {
    const { id } = run;
    const [records, validations, evaluations] = await Promise.all([
      chartsWorker.call((api) => api.follow(id, this.#batchSize)),
      libraryWorker.call((api) => api.readValidations(id)),
      libraryWorker.call((api) => api.readEvaluations(id)),
    ]);
    this.run = run;
    this.validations = validations;
    this.evaluations = evaluations;
    if (records.length > 0) this.#show(records);
  }

  /** Newest first. */
  readCheckpoints(): Promise<CheckpointSummary[]> {
    return libraryWorker.call((api) => api.listCheckpoints(this.run.id));
  }

  /** The run's curves, made in the charts worker. */
  readChart(request: ChartRequest): Promise<RunChart> {
    return chartsWorker.call((api) => api.chart(this.run.id, this.#batchSize, request));
  }

  #show(records: readonly StepRecord[]): void {
    this.#newest = [...this.#newest, ...records].slice(-RATE_WINDOW);
    this.last = this.#newest.at(-1);
    this.version++;
    const { epoch_size } = this.run.options;
    this.#addLines(
      records
        .slice(-LOG_LINES_KEPT)
        .map((record) => ({ text: formatStep(record, epoch_size), kind: 'step' })),
    );
  }

  note(text: string, kind: LogLine['kind'] = 'note'): void {
    this.#addLines([{ text, kind }]);
  }

  #addLines(lines: readonly Omit<LogLine, 'id'>[]): void {
    const numbered = lines.map((line) => ({ ...line, id: this.#nextLogId++ }));
    this.log = [...this.log, ...numbered].slice(-LOG_LINES_KEPT);
  }

  get totalSteps(): number {
    return this.run.options.max_nrof_epochs * this.run.options.epoch_size;
  }

  /** Milliseconds a step, of late; undefined before the first one. */
  get recentStepMs(): number | undefined {
    const recent = this.#newest;
    if (recent.length === 0) return undefined;
    return recent.reduce((sum, { stepMs }) => sum + stepMs, 0) / recent.length;
  }

  get imagesPerSecond(): number | undefined {
    const stepMs = this.recentStepMs;
    return stepMs === undefined ? undefined : (1000 * this.run.options.batch_size) / stepMs;
  }

  /** Share of the recent steps' time that was spent waiting for images. */
  get dataWaitShare(): number | undefined {
    const recent = this.#newest;
    const total = recent.reduce((sum, { stepMs }) => sum + stepMs, 0);
    return total === 0 ? undefined : recent.reduce((sum, { dataWaitMs }) => sum + dataWaitMs, 0) / total;
  }

  get secondsLeft(): number | undefined {
    const stepMs = this.recentStepMs;
    return stepMs === undefined || !this.last
      ? undefined
      : ((this.totalSteps - this.last.step) * stepMs) / 1000;
  }
}

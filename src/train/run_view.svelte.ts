/** One run as the Train page shows it: its record, what was measured step by step, and its log. */
import type { ChartRequest, RunChart } from '../../workers/protocol/train/charts.ts';
import type {
  CheckpointSummary,
  EvaluationSummary,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../workers/protocol/train/runs.ts';
import { stepEntry, storedEntries, type LogEntry } from './run_log.ts';
import { chartsWorker, libraryWorker } from '../session/workers.ts';

const LOG_LINES_KEPT = 300;
/** Steps whose mean duration tells the time left. */
const RATE_WINDOW = 20;

export interface LogLine extends LogEntry {
  readonly id: number;
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
  /** Since the run went on: steps of an earlier visit do not tell how fast it is now. */
  #stepsSinceGoingOn: number | undefined;
  #nextLogId = 0;

  constructor(run: RunRecord) {
    this.run = run;
  }

  /** What an earlier visit measured. */
  async load(): Promise<void> {
    const { id } = this.run;
    const [{ newest: steps }, validations, evaluations, checkpoints] = await Promise.all([
      chartsWorker.call((api) => api.open(id, this.#batchSize)),
      libraryWorker.call((api) => api.readValidations(id)),
      libraryWorker.call((api) => api.readEvaluations(id)),
      this.readCheckpoints(),
    ]);
    this.validations = validations;
    this.evaluations = evaluations;
    this.log = [];
    this.#newest = [];
    this.#take(steps);
    const firstStep = steps[0]?.step ?? 0;
    const isInLog = ({ step }: { step: number }): boolean => step >= firstStep;
    this.#addLines(
      storedEntries(
        {
          steps,
          validations: validations.filter(isInLog),
          evaluations: evaluations.filter(isInLog),
          checkpoints: checkpoints.filter(isInLog),
        },
        this.#epochSize,
      ),
    );
  }

  get #batchSize(): number {
    return this.run.options.batch_size;
  }

  get #epochSize(): number {
    return this.run.options.epoch_size;
  }

  /** A run that went on does the steps after its checkpoint again: they replace what was measured before. */
  async forgetAfter(step: number): Promise<void> {
    this.#newest = this.#newest.filter((record) => record.step <= step);
    this.last = this.#newest.at(-1);
    this.#stepsSinceGoingOn = 0;
    this.validations = this.validations.filter((record) => record.step <= step);
    this.evaluations = this.evaluations.filter((record) => record.step <= step);
    await chartsWorker.call((api) => api.truncate(this.run.id, this.#batchSize, step));
    this.version++;
  }

  async addSteps(records: readonly StepRecord[]): Promise<void> {
    if (records.length === 0) return;
    const sent = chartsWorker.call((api) => api.append(this.run.id, this.#batchSize, records));
    if (this.#stepsSinceGoingOn !== undefined) this.#stepsSinceGoingOn += records.length;
    this.#take(records);
    this.#addLines(records.slice(-LOG_LINES_KEPT).map((record) => stepEntry(record, this.#epochSize)));
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
    const newOf = <Measured extends { readonly step: number }>(
      stored: readonly Measured[],
      known: readonly Measured[],
    ): Measured[] => stored.filter(({ step }) => !known.some((one) => one.step === step));
    this.run = run;
    this.#addLines(
      storedEntries(
        {
          steps: records,
          validations: newOf(validations, this.validations),
          evaluations: newOf(evaluations, this.evaluations),
          checkpoints: [],
        },
        this.#epochSize,
      ),
    );
    this.validations = validations;
    this.evaluations = evaluations;
    if (records.length > 0) this.#take(records);
  }

  /** Newest first. */
  readCheckpoints(): Promise<CheckpointSummary[]> {
    return libraryWorker.call((api) => api.listCheckpoints(this.run.id));
  }

  /** The run's curves, made in the charts worker. */
  readChart(request: ChartRequest): Promise<RunChart> {
    return chartsWorker.call((api) => api.chart(this.run.id, this.#batchSize, request));
  }

  #take(records: readonly StepRecord[]): void {
    this.#newest = [...this.#newest, ...records].slice(-RATE_WINDOW);
    this.last = this.#newest.at(-1);
    this.version++;
  }

  note(text: string, kind: LogEntry['kind'] = 'note'): void {
    this.#addLines([{ text, kind }]);
  }

  #addLines(lines: readonly LogEntry[]): void {
    const numbered = lines.map((line) => ({ ...line, id: this.#nextLogId++ }));
    this.log = [...this.log, ...numbered].slice(-LOG_LINES_KEPT);
  }

  get totalSteps(): number {
    return this.run.options.max_nrof_epochs * this.run.options.epoch_size;
  }

  /** The newest steps, whose means tell how fast it is; of an earlier visit only until there are newer ones. */
  get #timed(): readonly StepRecord[] {
    return this.#stepsSinceGoingOn ? this.#newest.slice(-this.#stepsSinceGoingOn) : this.#newest;
  }

  /** Steps in the means below. */
  get timedStepCount(): number {
    return this.#timed.length;
  }

  /** Mean milliseconds per step of the newest steps; undefined before the first one. */
  get recentStepMs(): number | undefined {
    const recent = this.#timed;
    if (recent.length === 0) return undefined;
    return recent.reduce((sum, { stepMs }) => sum + stepMs, 0) / recent.length;
  }

  get imagesPerSecond(): number | undefined {
    const stepMs = this.recentStepMs;
    return stepMs === undefined ? undefined : (1000 * this.run.options.batch_size) / stepMs;
  }

  /** Share of the newest steps' time that was spent waiting for images. */
  get dataWaitShare(): number | undefined {
    const recent = this.#timed;
    const total = recent.reduce((sum, { stepMs }) => sum + stepMs, 0);
    return total === 0 ? undefined : recent.reduce((sum, { dataWaitMs }) => sum + dataWaitMs, 0) / total;
  }

  /** Undefined where no step tells it: before the first one, and before the first one after going on. */
  get secondsLeft(): number | undefined {
    const stepMs = this.recentStepMs;
    return stepMs === undefined || !this.last || this.#stepsSinceGoingOn === 0
      ? undefined
      : ((this.totalSteps - this.last.step) * stepMs) / 1000;
  }
}

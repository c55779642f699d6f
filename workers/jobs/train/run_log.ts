/**
 * The files of a run's log folder, as the original leaves them: arguments.txt, TensorBoard's events, stat.h5,
 * lfw_result.txt, and the learning rate schedule. Collected step by step during a run, or at once from what is
 * stored of it.
 */
import { lineText } from '../../protocol/escape_text.ts';
import { RunStatistics } from '../../formats/stat_h5.ts';
import { histogramOf, TensorBoardEvents } from '../../formats/tensorboard_events.ts';
import type { LoggedSteps } from '../../formats/tensorboard_log.ts';
import {
  epochScalars,
  evaluationScalars,
  stepScalars,
  validationScalars,
} from '../../formats/tensorboard_run.ts';
import type { NamedTensors } from '../../protocol/tensor.ts';
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../protocol/train/runs.ts';
import { TRAINING_OPTIONS } from '../../protocol/train/options.ts';
import type { RunHistory } from '../../training/run_history.ts';

export class RunLog {
  #run: RunRecord;
  readonly #statistics: RunStatistics;
  readonly #events: TensorBoardEvents;
  /** Events up to this step may be in the event files of earlier sessions. */
  readonly #stepsBefore: number;
  readonly #logged: LoggedSteps;
  readonly #evaluations = new Map<number, EvaluationSummary>();
  /** When the last step ended, for records that do not say it. */
  #clockMs: number;
  #epochTrainMs = 0;

  /**
   * @param startedAtMs of this session: names the event file, so that a resumed run gets another one
   * @param stepsBefore that were done before this session
   * @param logged what the event files of earlier sessions hold of those steps: it is left out of the new one
   */
  constructor(run: RunRecord, startedAtMs: number, stepsBefore = 0, logged: LoggedSteps = new Map()) {
    this.#run = run;
    this.#statistics = new RunStatistics(run.options);
    this.#events = new TensorBoardEvents(startedAtMs, stepsBefore === 0 ? 0 : stepsBefore + 1);
    this.#stepsBefore = stepsBefore;
    this.#logged = logged;
    this.#clockMs = run.createdAt;
  }

  get runId(): string {
    return this.#run.id;
  }

  /** Everything of the history, in the order in which it happened. */
  addHistory({ steps, validations, evaluations, prelogits }: RunHistory): void {
    for (const record of prelogits) this.addPrelogits(record);
    const between = [
      ...validations.map((record) => ({ step: record.step, add: () => this.addValidation(record) })),
      ...evaluations.map((record) => ({ step: record.step, add: () => this.addEvaluation(record) })),
    ].sort((a, b) => a.step - b.step);
    let next = 0;
    for (const record of steps) {
      for (; next < between.length && between[next]!.step < record.step; next++) between[next]!.add();
      this.addStep(record);
    }
    for (; next < between.length; next++) between[next]!.add();
  }

  addStep(record: StepRecord): void {
    this.#statistics.addStep(record);
    this.#clockMs = record.at ?? this.#clockMs + record.stepMs;
    this.#addEvent(record.step, stepScalars(record));
    this.#epochTrainMs = (record.batch === 1 ? 0 : this.#epochTrainMs) + record.stepMs;
    if (record.batch === this.#run.options.epoch_size)
      this.#addEvent(record.step, epochScalars(this.#epochTrainMs));
  }

  addValidation(record: ValidationRecord): void {
    this.#statistics.addValidation(record);
    this.#addEvent(record.step, validationScalars(record), record.at);
  }

  addEvaluation(record: EvaluationSummary): void {
    this.#statistics.addEvaluation(record);
    this.#evaluations.set(record.step, record);
    this.#addEvent(record.step, evaluationScalars(record), record.at);
  }

  addPrelogits(record: PrelogitsHistogram): void {
    this.#statistics.addPrelogits(record);
  }

  /** Histograms of tensors, such as the weights, by their names. */
  addHistograms(atMs: number, step: number, tensors: NamedTensors): void {
    for (const [name, { data }] of tensors) this.#events.add(atMs, step, { [name]: histogramOf(data) });
  }

  /** The files as they are now, by name. */
  async files(): Promise<Map<string, Blob>> {
    const { options } = this.#run;
    const files = new Map<string, Blob>([
      ['arguments.txt', new Blob([argumentsText(this.#run)])],
      [this.#events.fileName, this.#events.toBlob()],
      ['stat.h5', new Blob([await this.#statistics.toFile()])],
    ]);
    if (options.learning_rate <= 0)
      files.set('learning_rate_schedule.txt', new Blob([options.learning_rate_schedule]));
    if (this.#evaluations.size > 0) files.set('lfw_result.txt', new Blob([this.#lfwResult()]));
    return files;
  }

  /** Lines `step\taccuracy\tvalrate`. */
  #lfwResult(): string {
    return [...this.#evaluations.values()]
      .sort((a, b) => a.step - b.step)
      .map(({ step, accuracy, valRate }) => `${step}\t${accuracy.toFixed(5)}\t${valRate.toFixed(5)}\n`)
      .join('');
  }

  #addEvent(step: number, values: Readonly<Record<string, number>>, atMs = this.#clockMs): void {
    // A session that was killed between a checkpoint and its log has left a gap.
    const isMissing =
      step > this.#stepsBefore || Object.keys(values).some((tag) => (this.#logged.get(tag) ?? 0) < step);
    if (isMissing) this.#events.add(atMs, step, values);
  }
}

/** Every option with its value, a line each, then what the run is made of. */
export function argumentsText(run: RunRecord): string {
  const lines = TRAINING_OPTIONS.map(
    ({ name }) => `${name}: ${String(run.options[name]).trim().replaceAll('\n', ' | ')}\n`,
  );
  return [
    ...lines,
    `dataset: ${lineText(run.datasetName)} (${run.imageCount} training images, ${run.classNames.length} classes)\n`,
    ...(run.filteredImages ? [`filtered: ${run.filteredImages.length} images are left out\n`] : []),
    `device: ${run.device}\n`,
  ].join('');
}

/**
 * The log folder of a run from what is stored of it, for a download. Histograms are not stored: only a run with a log
 * folder has them.
 * @returns files by their path, `<run>/arguments.txt` …
 */
export async function buildRunFiles(history: RunHistory): Promise<Map<string, Blob>> {
  const { run } = history;
  const log = new RunLog(run, run.createdAt);
  log.addHistory(history);
  return new Map([...(await log.files())].map(([name, file]) => [`${run.id}/${name}`, file]));
}

/** The second step: aligned faces → a trained model. */
import { proxy } from 'comlink';
import { JobControl } from '../../workers/protocol/job_control.ts';
import type { DatasetTotals, DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { DeviceInfo } from '../../workers/protocol/device.ts';
import type { PairsSource } from '../../workers/protocol/evaluate/pairs.ts';
import type { RunRecord, StepRecord } from '../../workers/protocol/train/runs.ts';
import type { TrainEvent, TrainRequest } from '../../workers/protocol/train/train.ts';
import type { TrainingOptions } from '../../workers/protocol/train/options.ts';
import { formatConfiguration, parseConfiguration } from '../../workers/protocol/train/configuration.ts';
import { PRESETS, presetOptions, type Preset } from '../../workers/protocol/train/presets.ts';
import { validateOptions, type OptionProblem } from '../../workers/protocol/train/validate_options.ts';
import { WorkerStoppedError } from '../../workers/rpc/worker_client.ts';
import { DatasetChoice } from '../choose/dataset_choice.svelte.ts';
import type { DeviceState } from '../session/device.svelte.ts';
import { saveBlob } from '../session/downloads.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { FilterTableMaker } from './filter_table.svelte.ts';
import { folderName, requestAccess } from '../session/folders.ts';
import { canBeRemembered } from '../../workers/protocol/data/folder_references.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import type { Library } from '../session/library.svelte.ts';
import { ModelChoice } from '../choose/model_choice.svelte.ts';
import { PairsChoice } from '../choose/pairs_choice.svelte.ts';
import { bestText, checkpointText, evaluationText, validationText } from './run_log.ts';
import { RunView } from './run_view.svelte.ts';
import { trainWorker } from '../session/workers.ts';

export type TrainStatus =
  'idle' | 'starting' | 'running' | 'pausing' | 'paused' | 'stopping' | 'finished' | 'stopped' | 'failed';

const FLUSH_INTERVAL_MS = 250;

export class FolderNeededError extends Error {
  override name = 'FolderNeededError';
  constructor(folders: string) {
    super(
      `This browser cannot remember the folder "${folders}" between visits. Choose it again under “Dataset”, then resume the run.`,
    );
  }
}

export class TrainState {
  readonly dataset: DatasetChoice;
  /** Evaluated after each epoch when wanted. */
  readonly pairs: PairsChoice;
  evaluatesEachEpoch = $state(false);
  readonly pretrained = new ModelChoice();
  readonly filterTableMaker: FilterTableMaker;
  /** The table that options.filter_filename names. */
  filterTable = $state.raw<File | undefined>();
  options = $state<TrainingOptions>(presetOptions('quick-try'));
  presetId = $state<Preset['id'] | 'custom'>('quick-try');
  status = $state<TrainStatus>('idle');
  problem = $state.raw<Problem | undefined>();
  /** With a settings file that was to be read. */
  configurationProblem = $state.raw<Problem | undefined>();
  executor = $state('');
  parameterCount = $state(0);
  /** GPU memory of the network that trains. */
  gpuBytes = $state<number | undefined>();
  statusMessage = $state('');
  /** While the dataset is read, before there is a run. */
  reading = $state.raw<DatasetTotals | undefined>();
  /** Of the run that this page trains. */
  live = $state.raw<RunView | undefined>();
  /** What the page shows: the live run or one of the list. */
  shown = $state.raw<RunView | undefined>();
  /** Runs side by side, in place of one. */
  compared = $state.raw<readonly RunRecord[]>([]);
  lastCheckpoint = $state.raw<{ step: number; sizeBytes: number; atMs: number } | undefined>();
  readonly isBusy = $derived(['starting', 'running', 'pausing', 'paused', 'stopping'].includes(this.status));
  readonly #library: Library;
  readonly #guard: JobGuard;
  #control = new JobControl();
  readonly #device: DeviceState;
  #isPresetTouched = false;
  /** Of the run that goes on. */
  #foldersInUse: readonly DirectoryReference[] = [];
  #pendingSteps: StepRecord[] = [];
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(library: Library, guard: JobGuard, device: DeviceState) {
    this.#library = library;
    this.#guard = guard;
    this.#device = device;
    this.dataset = new DatasetChoice('aligned', library);
    this.pairs = new PairsChoice(library);
    this.filterTableMaker = new FilterTableMaker(guard);
  }

  /** What jobs run on, once that is known. */
  get device(): DeviceInfo | undefined {
    return this.#device.info;
  }

  /** Takes the preset that suits the machine, unless one was chosen. */
  async describeDevice(): Promise<void> {
    await this.#device.describe();
    if (this.#isPresetTouched) return;
    this.usePreset(this.suggestedPreset);
    this.#isPresetTouched = false;
  }

  get suggestedPreset(): Preset['id'] {
    return this.device?.isSoftware ? 'quick-try-software' : 'quick-try';
  }

  usePreset(id: Preset['id'], overrides: Partial<TrainingOptions> = {}): void {
    this.#isPresetTouched = true;
    this.options = { ...presetOptions(id), ...overrides };
    this.presetId = id;
  }

  /** Hands the settings over as a JSON file. */
  exportConfiguration(): void {
    const text = formatConfiguration($state.snapshot(this.options));
    saveBlob(new Blob([text], { type: 'application/json' }), 'training-settings.json');
  }

  async importConfiguration(file: File): Promise<void> {
    this.configurationProblem = undefined;
    try {
      this.options = parseConfiguration(await file.text());
      this.#isPresetTouched = true;
      this.presetId = this.#matchingPreset;
      if (this.filterTable?.name !== this.options.filter_filename) this.filterTable = undefined;
    } catch (error) {
      this.configurationProblem = problemOf(error);
    }
  }

  setFilterTable(file: File | undefined): void {
    this.filterTable = file;
    this.setOption('filter_filename', file?.name ?? '');
  }

  /** A table is named, as by a settings file, but a page cannot open a file by its name. */
  get isFilterTableMissing(): boolean {
    return this.options.filter_filename !== '' && !this.filterTable;
  }

  get #matchingPreset(): Preset['id'] | 'custom' {
    const current: Record<string, unknown> = this.options as unknown as Record<string, unknown>;
    return (
      PRESETS.find(({ options }) => Object.entries(options).every(([name, value]) => current[name] === value))
        ?.id ?? 'custom'
    );
  }

  setOption<Name extends keyof TrainingOptions>(name: Name, value: TrainingOptions[Name]): void {
    this.#isPresetTouched = true;
    this.options[name] = value;
    this.presetId = this.#matchingPreset;
  }

  /** What is wrong with the settings, or unwise. */
  readonly problems: readonly OptionProblem[] = $derived.by(() =>
    validateOptions(this.options, {
      imageCount: this.dataset.summary?.imageCount,
      isProcessorOnly: this.device?.backend === 'wasm',
    }),
  );

  /** Why a run cannot start yet, and what to do; empty when it can. */
  readonly obstacle: string = $derived.by(() => {
    const { dataset } = this;
    if (dataset.isScanning) return 'The dataset is still being read.';
    if (!dataset.summary) return 'Choose a dataset first.';
    if (dataset.summary.classes.length < 2) return 'At least two people are needed.';
    if (this.problems.some(({ severity }) => severity === 'error'))
      return 'Fix the settings marked in red first.';
    if (this.isFilterTableMissing) return 'Choose the file with the filter table, or use none.';
    if (!this.pretrained.isComplete) return 'Choose the model to start from.';
    return this.evaluatesEachEpoch ? this.pairs.obstacle : '';
  });

  /** A new run with the settings as they are. */
  async start(): Promise<void> {
    if (this.isBusy || this.obstacle !== '') return;
    await this.#run({
      options: $state.snapshot(this.options),
      data: [...this.dataset.folders],
      lfw: this.evaluatesEachEpoch ? this.pairs.source : undefined,
      pretrained: this.pretrained.reference,
      filterTable: this.options.filter_filename === '' ? undefined : this.filterTable,
    });
  }

  /** Resumes a run from its newest checkpoint; needs a click where a folder's permission has to be asked for. */
  async resumeRun(run: RunRecord): Promise<void> {
    if (this.isBusy) return;
    this.problem = undefined;
    let data = run.data;
    if (data.length === 0 || !data.every(canBeRemembered)) {
      data = this.dataset.folders;
      if (data.length === 0) {
        this.problem = problemOf(new FolderNeededError(run.datasetName));
        return;
      }
    }
    const view = await this.#open(run);
    if (!view) return;
    const lfw = run.lfw ?? this.#pairsInPlaceOfForgotten(run, view);
    await this.#run({ options: run.options, data, lfw, resumeRunId: run.id }, view);
  }

  /** For a run that was evaluated on pairs from a folder that the browser could not remember. */
  #pairsInPlaceOfForgotten(run: RunRecord, view: RunView): PairsSource | undefined {
    if (!run.lastEvaluation) return undefined;
    if (this.evaluatesEachEpoch && this.pairs.isComplete) return this.pairs.source;
    view.note(
      'The run is no longer evaluated after each epoch, because this browser could not remember the folder of the pairs. To evaluate again, stop the run, choose the folder under “Evaluate on pairs after each epoch”, and resume the run.',
      'warning',
    );
    return undefined;
  }

  async #run(request: TrainRequest, view?: RunView): Promise<void> {
    this.problem = undefined;
    this.lastCheckpoint = undefined;
    this.statusMessage = '';
    this.reading = undefined;
    this.live = view;
    this.shown = view;
    try {
      const { pretrained } = request;
      const folders: DirectoryReference[] = [
        ...request.data,
        ...(request.lfw?.images ?? []),
        ...(pretrained?.kind === 'directory' ? [pretrained.directory] : []),
      ];
      this.#foldersInUse = folders;
      if (!(await requestAccess(folders))) {
        this.status = 'idle';
        return;
      }
      this.status = 'starting';
      const control = (this.#control = new JobControl());
      void navigator.storage?.persist?.();
      const summary = await this.#guard.during('train', true, () => {
        const onEvent = proxy((event: TrainEvent) => this.#receive(event));
        return trainWorker.call((api) => api.train(request, control, onEvent));
      });
      this.#flush();
      if (this.live) this.live.run = { ...summary.run, notes: this.live.run.notes };
      this.status = summary.run.status === 'stopped' ? 'stopped' : 'finished';
    } catch (error) {
      this.#flush();
      const isStopped = error instanceof Error && error.name === 'StoppedBeforeRunError';
      const isCutOff = error instanceof WorkerStoppedError;
      this.problem = isStopped || isCutOff ? undefined : problemOf(error);
      this.status = isStopped ? 'idle' : isCutOff ? 'stopped' : 'failed';
      if (isCutOff && this.live) {
        this.live.run = { ...this.live.run, status: 'interrupted' };
        this.live.note('The run was stopped immediately. You can resume it from its last checkpoint.');
      }
      if (this.problem) this.live?.note(this.problem.message, 'warning');
    } finally {
      this.reading = undefined;
      this.#pendingSteps = [];
      trainWorker.release();
      await this.#library.refresh();
    }
  }

  /** The run's own status event tells when it has paused. */
  pause(): void {
    this.status = 'pausing';
    this.#control.pause();
  }

  /** Also after a folder's permission was withdrawn: it is asked for again, which needs a click. */
  async resume(): Promise<void> {
    if (!(await requestAccess(this.#foldersInUse))) return;
    this.status = 'running';
    this.#control.resume();
  }

  /**
   * Ends the run after its current step, with a checkpoint. Called once more meanwhile, it ends the run at once, without
   * one: a step may take minutes without a graphics processor.
   */
  stop(): void {
    if (this.status === 'stopping')
      return trainWorker.terminate(new WorkerStoppedError('run', 'stopped at once'));
    this.status = 'stopping';
    this.#control.cancel();
  }

  /** Shows a run of the list; the live one keeps running. */
  async show(run: RunRecord): Promise<void> {
    this.compared = [];
    if (this.live?.run.id === run.id) {
      this.shown = this.live;
      return;
    }
    await this.#open(run);
  }

  /** Shows the run with what is stored of it. @returns undefined where that cannot be read */
  async #open(run: RunRecord): Promise<RunView | undefined> {
    const view = new RunView(run);
    this.shown = view;
    try {
      await view.load();
      return view;
    } catch (error) {
      this.problem = problemOf(error);
      return undefined;
    }
  }

  /** Runs side by side. */
  compare(runs: readonly RunRecord[]): void {
    this.shown = undefined;
    this.compared = runs;
  }

  /** Writes what the person noted about a run. */
  async setNotes(view: RunView, notes: string): Promise<void> {
    try {
      await this.#library.setNotes(view.run.id, notes);
      view.run = { ...view.run, notes };
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** Back to the settings for a new run. */
  close(): void {
    this.shown = undefined;
    this.compared = [];
    this.problem = undefined;
    if (!this.isBusy) this.status = 'idle';
  }

  datasetNames(): string {
    return this.dataset.folders.map(folderName).join(' + ');
  }

  #receive(event: TrainEvent): void {
    switch (event.kind) {
      case 'reading':
        this.reading = event;
        return;
      case 'started':
        return this.#started(event);
      case 'step':
        this.#pendingSteps.push(event.record);
        this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_INTERVAL_MS);
        return;
      case 'validation':
        this.#flush();
        if (this.live) this.live.validations = [...this.live.validations, event.record];
        this.live?.note(validationText(event.record));
        return;
      case 'evaluation':
        this.#flush();
        if (this.live) this.live.evaluations = [...this.live.evaluations, event.record];
        this.live?.note(evaluationText(event.record));
        return;
      case 'checkpoint':
        this.#flush();
        this.lastCheckpoint = { step: event.step, sizeBytes: event.sizeBytes, atMs: Date.now() };
        this.live?.note(checkpointText(event, event.durationMs));
        return;
      case 'best':
        if (this.live) this.live.run = { ...this.live.run, best: event.best };
        this.live?.note(bestText(event.best));
        return;
      case 'status':
        this.statusMessage = event.message;
        if (this.live) this.live.run = { ...this.live.run, status: event.status };
        if (event.status === 'running' && this.status === 'starting') this.status = 'running';
        if (event.status === 'paused') this.status = 'paused';
        if (event.message) this.live?.note(event.message);
        return;
      case 'warning':
        this.live?.note(event.message, 'warning');
    }
  }

  #started(event: Extract<TrainEvent, { kind: 'started' }>): void {
    this.#flush();
    this.reading = undefined;
    this.executor = event.executor;
    this.parameterCount = event.parameterCount;
    this.gpuBytes = event.gpuBytes;
    const isSame = this.live?.run.id === event.run.id;
    const view = isSame ? this.live! : new RunView(event.run);
    view.run = { ...event.run, notes: view.run.notes ?? event.run.notes };
    void view.forgetAfter(event.run.step).catch(problemOf);
    view.note(
      `${isSame ? `Resuming run ${event.run.id} after step ${event.run.step}` : `Run ${event.run.id}`}: ${event.run.classNames.length} classes, ${event.run.imageCount} images, on ${event.executor}`,
    );
    this.live = view;
    this.shown = view;
    if (this.status === 'starting') this.status = 'running';
    void this.#library.refresh();
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const steps = this.#pendingSteps;
    this.#pendingSteps = [];
    void this.live?.addSteps(steps).catch(problemOf);
  }
}

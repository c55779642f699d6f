/** A run's files in real folders, as the original leaves them: `<logs>/<run>/…` and `<models>/<run>/…`. */
import type { WritableDirectory } from '../dataset/directory.ts';
import { openWritableDirectory } from '../dataset/open.ts';
import type { NamedTensors } from '../graph/tensor.ts';
import { modelFileName, writeModelFile } from '../models/model_file.ts';
import type { DirectoryReference, EvaluationSummary, RunRecord } from '../protocol.ts';
import { TRAINING_OPTIONS } from '../training/options.ts';

const MODELS_KEPT = 3;

export class RunFolders {
  readonly #runId: string;
  readonly #logsBase: DirectoryReference | undefined;
  readonly #modelsBase: DirectoryReference | undefined;
  #logs: WritableDirectory | undefined;
  #models: WritableDirectory | undefined;
  #written: string[] = [];
  #evaluations: string[] = [];

  constructor(
    runId: string,
    logsBase: DirectoryReference | undefined,
    modelsBase: DirectoryReference | undefined,
  ) {
    this.#runId = runId;
    this.#logsBase = logsBase;
    this.#modelsBase = modelsBase;
  }

  async begin(run: RunRecord): Promise<void> {
    if (this.#logsBase) {
      this.#logs = await openWritableDirectory(this.#logsBase);
      await this.#logs.write(`${this.#runId}/arguments.txt`, argumentsText(run));
    }
    if (this.#modelsBase) this.#models = await openWritableDirectory(this.#modelsBase);
  }

  /** Line `step\taccuracy\tvalrate`. */
  async appendEvaluation({ step, accuracy, valRate }: EvaluationSummary): Promise<void> {
    this.#evaluations.push(`${step}\t${accuracy.toFixed(5)}\t${valRate.toFixed(5)}\n`);
    await this.#logs?.write(`${this.#runId}/lfw_result.txt`, this.#evaluations.join(''));
  }

  /** The newest ones are kept; an older one goes when the new one is whole. */
  async writeModel(run: RunRecord, parameters: NamedTensors): Promise<void> {
    if (!this.#models) return;
    const path = `${this.#runId}/${modelFileName(run.id, run.step)}`;
    const { options } = run;
    await this.#models.write(
      path,
      writeModelFile(parameters, {
        model_def: options.model_def,
        embedding_size: options.embedding_size,
        image_size: options.image_size,
        use_fixed_image_standardization: options.use_fixed_image_standardization,
        class_names: run.classNames,
        run: run.id,
        step: run.step,
        epoch: run.epoch,
        dataset: run.datasetName,
        image_count: run.imageCount,
        options,
      }),
    );
    this.#written = [...this.#written.filter((written) => written !== path), path];
    for (const old of this.#written.splice(0, this.#written.length - MODELS_KEPT))
      await this.#models.remove(old);
  }
}

function argumentsText(run: RunRecord): string {
  const lines = TRAINING_OPTIONS.map(
    ({ name }) => `${name}: ${String(run.options[name]).trim().replaceAll('\n', ' | ')}\n`,
  );
  return [
    ...lines,
    `dataset: ${run.datasetName} (${run.imageCount} training images, ${run.classNames.length} classes)\n`,
    `device: ${run.device}\n`,
  ].join('');
}

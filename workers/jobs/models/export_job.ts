/** A model → files that other programs read, checked before the export is called done (see verify_export.ts). */
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { MemoryDirectory } from '../../files/memory_directory.ts';
import { MODEL_JSON, type ExportedFile } from '../../models/tfjs_graph_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { MODEL_CARD, modelCard, snippetOf } from '../../models/model_card.ts';
import { runWeights } from '../../models/run_model.ts';
import { modelFiles, type ExportSettings } from '../../models/export_files.ts';
import type { ExportProgress, ExportRequest, ExportSummary } from '../../protocol/models/export.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { JobControl } from '../../protocol/job_control.ts';
import { loadForJob } from './model_job.ts';
import { untilStopped } from '../until_stopped.ts';
import { verifyExport } from './verify_export.ts';
import { withOutput } from '../job_output.ts';

export class ExportCancelledError extends Error {
  override name = 'ExportCancelledError';
  constructor() {
    super('The export was cancelled.');
  }
}

type OnProgress = (progress: ExportProgress) => void;

/**
 * A folder gets the files, model last, and is then read; a zip is checked before its first byte is written.
 * @throws ExportCancelledError, what verifying and loading the model throws, and what the output throws
 */
export async function exportModel(
  request: ExportRequest,
  createEmbedder: EmbedderFactory,
  control = new JobControl(),
  onProgress: OnProgress = () => undefined,
): Promise<ExportSummary> {
  return withOutput(request.output, (open) => exportInto(open, request, createEmbedder, control, onProgress));
}

async function exportInto(
  openOutput: () => Promise<WritableDirectory>,
  request: ExportRequest,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress: OnProgress,
): Promise<ExportSummary> {
  const { format } = request;
  const isZip = request.output.kind === 'zip';
  const written: string[] = [];
  let folder: WritableDirectory | undefined;
  try {
    onProgress({ phase: 'loading', done: 0, total: 0 });
    const loaded = await loadForJob(request.model, control, () => new ExportCancelledError());
    const model = { ...loaded, imageSize: request.imageSize ?? loaded.imageSize };
    await proceed(control);
    const files = exportedFiles(model, request);
    const directory = isZip ? new MemoryDirectory() : (folder = await openOutput());
    // Old shards with a new description, or the other way round, would look like a model too.
    if (format === 'tfjs' && (await directory.exists(MODEL_JSON))) await directory.remove(MODEL_JSON);
    await writeFiles(
      directory,
      files,
      control,
      (done, total) => onProgress({ phase: 'writing', done, total }),
      written,
    );
    onProgress({ phase: 'verifying', done: 0, total: 0 });
    const { path } = files.at(-1)!;
    const verification = await untilStopped(
      control,
      (signal) => verifyExport(model, request, directory, path, createEmbedder, signal),
      () => new ExportCancelledError(),
    );
    if (isZip)
      await writeFiles(await openOutput(), files, control, (done, total) =>
        onProgress({ phase: 'packing', done, total }),
      );
    return {
      files: files.map(({ path, content }) => ({ path, sizeBytes: content.size })),
      verification,
      weights: request.model.kind === 'run' ? runWeights(model.metadata) : undefined,
      snippet: snippetOf(model, request, path).code,
    };
  } catch (error) {
    // Half an export in the person's folder is of no use.
    if (control.cancelled && folder)
      for (const path of written) await folder.remove(path).catch(() => undefined);
    throw error;
  }
}

/** @throws ExportCancelledError */
async function proceed(control: JobControl): Promise<void> {
  if (!(await control.proceed())) throw new ExportCancelledError();
}

/** The model itself last: where writing is cut off there is no model that looks whole. */
function exportedFiles(model: LoadedModel, settings: ExportSettings): ExportedFile[] {
  const files = modelFiles(model, settings);
  const card = modelCard(model, settings, files.at(-1)!.path);
  return [{ path: MODEL_CARD, content: new Blob([card], { type: 'text/markdown' }) }, ...files];
}

/** @param written gets the paths, as far as it comes. @throws ExportCancelledError */
async function writeFiles(
  directory: WritableDirectory,
  files: readonly ExportedFile[],
  control: JobControl,
  onProgress: (done: number, total: number) => void,
  written: string[] = [],
): Promise<void> {
  const total = files.reduce((sum, { content }) => sum + content.size, 0);
  let done = 0;
  for (const { path, content } of files) {
    await proceed(control);
    onProgress(done, total);
    written.push(path);
    await directory.write(path, content);
    done += content.size;
  }
  onProgress(done, total);
}

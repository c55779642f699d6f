/** A model of another program, or of another browser, taken into this browser's storage as this program's own file. */
import { openWritableDirectory } from '../../files/open.ts';
import { inspectModel, loadModel } from '../../models/load_model.ts';
import { metadataOf, MODEL_FILE_EXTENSION, writeModelFile } from '../../models/model_file.ts';
import { AS_STATED } from '../../models/own_export.ts';
import { safeFileName } from '../../protocol/escape_text.ts';
import type { ForeignModelReference, StoredModel } from '../../protocol/models/models.ts';
import { deleteModel, modelFolder, putModel } from '../../storage/models.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { untilStopped } from '../until_stopped.ts';

/**
 * @throws what loading the model throws, StandardizationUnknownError among it, StorageFullError, and JobStoppedError, of
 *   which nothing is kept
 */
export async function importIntoLibrary(
  reference: ForeignModelReference,
  control: JobControl,
): Promise<StoredModel> {
  const { signal } = control;
  const { file, kind, program, foldedGammas, notes } = await untilStopped(control, (stopped) =>
    inspectModel(reference, stopped),
  );
  const model = await untilStopped(control, (stopped) => loadModel(reference, stopped));
  const id = crypto.randomUUID();
  const directory = { kind: 'private', path: modelFolder(id) } as const;
  const content = writeModelFile(model.parameters, metadataOf(model));
  const folder = await openWritableDirectory(directory);
  await folder.write(`${safeFileName(model.name)}${MODEL_FILE_EXTENSION}`, content);
  if (signal.aborted) {
    await deleteModel(id);
    signal.throwIfAborted();
  }
  const stored: StoredModel = {
    id,
    name: model.name,
    importedAt: Date.now(),
    sizeBytes: content.size,
    model_def: model.graph.name,
    embedding_size: model.graph.embeddingSize,
    image_size: model.imageSize,
    use_fixed_image_standardization: model.useFixedImageStandardization,
    standardization_basis: model.standardizationBasis ?? AS_STATED,
    origin: { file, kind, program, foldedGammas, notes },
    reference: { kind: 'directory', directory },
  };
  await putModel(stored);
  return stored;
}

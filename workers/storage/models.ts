/** Imported models: a record in IndexedDB, and the values as a model file in the private file system. */
import type { StoredModel } from '../protocol/models/models.ts';
import type { ImageStandardization } from '../protocol/models/standardization.ts';
import { openDatabase } from './database.ts';
import { deleteEvaluationsOf } from './saved_evaluations.ts';

const MODELS_FOLDER = 'models';

/** The path of a model's folder in the private file system. */
export function modelFolder(id: string): string {
  return `${MODELS_FOLDER}/${id}`;
}

/** The model whose folder this is. */
export function storedModelId(path: string): string | undefined {
  return path.startsWith(`${MODELS_FOLDER}/`) ? path.split('/')[1] : undefined;
}

/** Stores the record. The file must exist before: a model without this record does not exist. */
export async function putModel(model: StoredModel): Promise<void> {
  await (await openDatabase()).put('models', model);
}

/** undefined if it has been deleted. */
export async function getModel(id: string): Promise<StoredModel | undefined> {
  return (await openDatabase()).get('models', id);
}

/** Stores the person's choice, which applies from now on. @returns false if the model has been deleted */
export async function setStandardization(id: string, value: ImageStandardization): Promise<boolean> {
  const database = await openDatabase();
  const model = await database.get('models', id);
  if (!model) return false;
  await database.put('models', {
    ...model,
    use_fixed_image_standardization: value === 'fixed',
    standardization_basis: 'as chosen',
  });
  return true;
}

/** The newest first. */
export async function listModels(): Promise<StoredModel[]> {
  const models = await (await openDatabase()).getAll('models');
  return models.sort((a, b) => b.importedAt - a.importedAt);
}

export async function deleteModel(id: string): Promise<void> {
  await (await openDatabase()).delete('models', id);
  await deleteEvaluationsOf(id);
  await removeFiles(id);
}

/** Does nothing if there are no files. */
async function removeFiles(id: string): Promise<void> {
  try {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(MODELS_FOLDER);
    await folder.removeEntry(id, { recursive: true });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'NotFoundError')) throw error;
  }
}

/** A model as it is named on the command line: a file, or the folder of a run or of an export. */
import { readdirSync } from 'node:fs';
import { dirname, basename } from 'node:path';
import type { ModelReference } from '../../workers/protocol/models/models.ts';
import type { BrowserSession } from '../browser/browser_session.ts';
import { CommandError } from '../system/errors.ts';
import { kindOf, resolvePath } from '../system/paths.ts';

/** Endings of the files that hold a model, or the description of one. */
const MODEL_FILE = /\.(safetensors|pb|index|meta|pt|pth|bin|onnx|h5|keras|json)$/i;

/** The model that the program brings along, unless there is a file or a folder of this name. */
const STARTER = 'starter';

/** Whether something by this name can be a model: a file, a checkpoint without its endings, a folder with such files. */
export function canBeModel(text: string): boolean {
  const path = resolvePath(text);
  if (isStarter(text)) return true;
  const kind = kindOf(path);
  if (kind === 'folder') return readdirSync(path).some((name) => MODEL_FILE.test(name));
  return kind === 'file' || kindOf(`${path}.index`) === 'file';
}

function isStarter(text: string): boolean {
  return text === STARTER && kindOf(resolvePath(text)) === undefined;
}

/** @returns an absolute path, or the word for the starter model. @throws CommandError when there is nothing of this name */
export function requireModel(text: string): string {
  if (isStarter(text)) return STARTER;
  const path = resolvePath(text);
  // TensorFlow names a checkpoint without its endings.
  if (kindOf(path) === undefined && kindOf(`${path}.index`) === 'file') return `${path}.index`;
  if (kindOf(path) === undefined)
    throw new CommandError(
      `There is no model ${path}. Name a model file, the folder of a run or an export, or the word starter for the starter model.`,
    );
  return path;
}

/** @param path as requireModel gives it */
export function openModel(
  session: BrowserSession,
  path: string,
): Extract<ModelReference, { kind: 'directory' | 'starter' }> {
  if (path === STARTER) return { kind: 'starter' };
  if (kindOf(path) === 'folder') return { kind: 'directory', directory: session.openFolder(path) };
  // A model.json has its weights beside it, a checkpoint's index its data.
  const access = /\.(json|index)$/.test(path) ? {} : { only: [basename(path)] };
  return { kind: 'directory', directory: session.openFolder(dirname(path), access), path: basename(path) };
}

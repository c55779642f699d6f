/**
 * Files that have a model's name and are something else, told by their first bytes before any reader of models takes
 * them for damaged: what a download or a clone leaves behind where the file itself should be.
 */
import type { FileListing, ReadableDirectory } from '../protocol/data/directories.ts';
import { identifyFile } from '../formats/identify_file.ts';
import { ZipFolder } from '../formats/zip_folder.ts';
import { NotAModelError } from './errors.ts';

/** https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/v1';
/** FlatBuffers' file identifier, from the fifth byte on. */
const TENSORFLOW_LITE = 'TFL3';
const SNIFFED_BYTES = 64;
const WEB_PAGE = 'an HTML or XML page';

/** A file that is to be a whole model. @throws NotAModelError */
export async function refuseOtherFiles(blob: Blob, name: string): Promise<void> {
  if (blob.size === 0) throw new NotAModelError(name, 'is an empty file: copy or download it again');
  await refusePlaceholder(blob, name);
  const head = await headOf(blob);
  if (head.slice(4, 8) === TENSORFLOW_LITE)
    throw new NotAModelError(
      name,
      'is a TensorFlow Lite model, which cannot be read: use the file that it was converted from',
    );
  if (name.endsWith('.keras'))
    throw new NotAModelError(
      name,
      'is a Keras 3 file, which cannot be read: save the model as HDF5, with model.save("facenet.h5")',
    );
  if (/(^|\/)saved_model\.pb(txt)?$/.test(name))
    throw new NotAModelError(
      name,
      'is part of a TensorFlow SavedModel, whose weights are in its folder “variables”: choose the whole folder',
    );
}

async function headOf(blob: Blob): Promise<string> {
  return new TextDecoder('latin1').decode(await blob.slice(0, SNIFFED_BYTES).arrayBuffer());
}

/** What stands where a file should be, a model or a part of one. @throws NotAModelError */
async function refusePlaceholder(blob: Blob, name: string): Promise<void> {
  const head = await headOf(blob);
  if (head.startsWith(LFS_POINTER))
    throw new NotAModelError(
      name,
      'is a Git LFS pointer, not the model itself: run “git lfs pull”, or download the model from the repository’s web page',
    );
  if (/^\s*</.test(head) && (await identifyFile(blob)) === WEB_PAGE)
    throw new NotAModelError(
      name,
      'is a web page, not the model: open its address in a browser and download the model there',
    );
}

/** A model's folder: each file is looked at when it is read, a shard as well as the model itself. */
export class ModelDirectory implements ReadableDirectory {
  /** It lies in an archive, in which no other archive is opened. */
  readonly isPacked: boolean;
  readonly #directory: ReadableDirectory;

  constructor(directory: ReadableDirectory) {
    this.#directory = directory;
    this.isPacked = directory instanceof ZipFolder;
  }

  get name(): string {
    return this.#directory.name;
  }

  list(signal?: AbortSignal): AsyncIterable<FileListing> {
    return this.#directory.list(signal);
  }

  /** @throws NotAModelError, and what the folder throws */
  async read(path: string): Promise<Blob> {
    const blob = await this.#directory.read(path);
    await refusePlaceholder(blob, path);
    return blob;
  }

  exists(path: string): Promise<boolean> {
    return this.#directory.exists(path);
  }
}

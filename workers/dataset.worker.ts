/** Entry point: folders, classes, thumbnails and the sample faces. */
import { expose, transfer } from 'comlink';
import { readClasses } from './files/classes.ts';
import { datasetName, walkDataset } from './protocol/data/dataset_count.ts';
import { Examples } from './files/examples.ts';
import { FileMissingError } from './protocol/data/file_errors.ts';
import { isPhotoPath } from './protocol/data/images.ts';
import { openDirectories, openWritableDirectory } from './files/open.ts';
import type { ReadableDirectory } from './protocol/data/directories.ts';
import { smallPicture, thumbnail } from './files/images/thumbnails.ts';
import type { DatasetWorkerApi, DirectoryReference, Thumbnail } from './protocol/data/dataset.ts';
import { copyFolder } from './jobs/copy_folder.ts';
import { Throttle } from './protocol/job_control.ts';
import './rpc/job_control_transfer.ts';
import { sampleFolder, writeSampleFaces } from './jobs/sample_faces/sample_dataset.ts';

/** Photos that are shown of a dataset as soon as it is counted. */
const EXAMPLES = 12;
const PROGRESS_INTERVAL_MS = 200;
const folders: (readonly ReadableDirectory[])[] = [];

async function readFrom(directories: readonly ReadableDirectory[], path: string): Promise<Blob | undefined> {
  for (const directory of directories)
    try {
      return await directory.read(path);
    } catch (error) {
      if (!(error instanceof FileMissingError)) throw error;
    }
  return undefined;
}

const api: DatasetWorkerApi = {
  async scan(references, { signal }, onProgress) {
    const directories = await openDirectories(references);
    const examples = new Examples(EXAMPLES);
    const { classes, imageCount, ignoredCount, ignoredExamples, skipped } = await walkDataset(
      directories,
      {
        onProgress: onProgress && ((count) => onProgress(count.takeProgress())),
        signal,
        // As the jobs read it: a photo that this browser cannot decode is named by them, not passed over.
        isWanted: isPhotoPath,
      },
      (className, path) => examples.add(className, path),
    );
    return {
      name: datasetName(directories),
      classes,
      imageCount,
      examples: examples.paths,
      ignoredCount,
      ignoredExamples,
      skipped,
    };
  },

  copy({ from, output }, { signal }, onProgress) {
    const throttle = new Throttle(PROGRESS_INTERVAL_MS);
    const report = (done: number, total: number): void => {
      if (done === total || throttle.ready()) onProgress(done, total);
    };
    return copyFolder(from, output, report, signal);
  },

  async makeSampleFaces(options, onProgress) {
    const reference: DirectoryReference = { kind: 'private', path: sampleFolder(options) };
    await writeSampleFaces(await openWritableDirectory(reference), options, onProgress);
    return reference;
  },

  async open(references) {
    return folders.push(await openDirectories(references)) - 1;
  },

  async list(folder) {
    const { classes } = await readClasses(folders[folder]!);
    return classes.flatMap(({ images }) => images.map(({ path }) => path)).join('\0');
  },

  async pictures(folder, paths, { sizePx, isWhole }) {
    const read = await Promise.all(
      paths.map(async (path): Promise<Thumbnail | undefined> => {
        const blob = await readFrom(folders[folder]!, path);
        const bitmap = blob && (await (isWhole ? smallPicture : thumbnail)(blob, path, sizePx));
        return bitmap && { path, bitmap };
      }),
    );
    const pictures = read.filter((picture) => picture !== undefined);
    return transfer(
      pictures,
      pictures.map(({ bitmap }) => bitmap),
    );
  },
};

expose(api);

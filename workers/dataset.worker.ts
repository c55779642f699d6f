/** Entry point: folders, classes, thumbnails and the sample faces. */
import { expose, transfer } from 'comlink';
import { readClasses } from './dataset/classes.ts';
import { FileMissingError } from './dataset/errors.ts';
import { openDirectories, openWritableDirectory } from './dataset/open.ts';
import type { ReadableDirectory } from './dataset/directory.ts';
import { smallPicture, spreadOverClasses, thumbnail } from './dataset/thumbnails.ts';
import type { DatasetWorkerApi, DirectoryReference, Thumbnail } from './protocol.ts';
import { sampleFolder, writeSampleFaces } from './sample_faces/sample_dataset.ts';

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
  async scan(references, onProgress) {
    const dataset = await readClasses(await openDirectories(references), onProgress);
    return {
      name: dataset.name,
      classes: dataset.classes.map(({ name, images }) => ({ name, imageCount: images.length })),
      imageCount: dataset.imageCount,
      ignoredCount: dataset.ignoredCount,
      ignoredExamples: dataset.ignoredExamples,
    };
  },

  async makeSampleFaces(options, onProgress) {
    const reference: DirectoryReference = { kind: 'private', path: sampleFolder(options) };
    await writeSampleFaces(await openWritableDirectory(reference), options, onProgress);
    return reference;
  },

  async thumbnails(references, count, sizePx) {
    const dataset = await readClasses(await openDirectories(references));
    const thumbnails: Thumbnail[] = [];
    for (const { path, directory } of spreadOverClasses(dataset, count)) {
      const bitmap = await thumbnail(await directory.read(path), sizePx);
      if (bitmap) thumbnails.push({ path, bitmap });
    }
    return transfer(
      thumbnails,
      thumbnails.map(({ bitmap }) => bitmap),
    );
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
        const bitmap = blob && (await (isWhole ? smallPicture : thumbnail)(blob, sizePx));
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

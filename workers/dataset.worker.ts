/** Entry point: folders, classes, thumbnails and the sample faces. */
import { expose, transfer } from 'comlink';
import { readClasses } from './dataset/classes.ts';
import { openDirectories, openWritableDirectory } from './dataset/open.ts';
import { spreadOverClasses, thumbnail } from './dataset/thumbnails.ts';
import type { DatasetWorkerApi, DirectoryReference, Thumbnail } from './protocol.ts';
import { sampleFolder, writeSampleFaces } from './sample_faces/sample_dataset.ts';

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
};

expose(api);

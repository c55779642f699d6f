/** People who are saved in this browser for later recognition. */
import type { KeptGallery } from '../protocol/use/identify.ts';
import { openDatabase } from './database.ts';

export async function keepGallery(gallery: KeptGallery, file: Blob): Promise<void> {
  await (await openDatabase()).put('galleries', { ...gallery, file });
}

/** The newest first. */
export async function listGalleries(): Promise<KeptGallery[]> {
  const galleries = await (await openDatabase()).getAll('galleries');
  return galleries.map(({ file: _file, ...gallery }) => gallery).sort((a, b) => b.keptAt - a.keptAt);
}

export async function readGallery(id: string): Promise<Blob | undefined> {
  return (await (await openDatabase()).get('galleries', id))?.file;
}

export async function deleteGallery(id: string): Promise<void> {
  await (await openDatabase()).delete('galleries', id);
}

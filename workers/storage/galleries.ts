/** People that are kept in this browser to be recognised later. */
import type { KeptGallery } from '../protocol/use/identify.ts';
import { openDatabase } from './database.ts';

export async function keepGallery(gallery: KeptGallery, file: Blob): Promise<void> {
  await (await openDatabase()).put('galleries', { ...gallery, file });
}

/** Newest first. */
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

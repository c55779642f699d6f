/** Small pictures of the photos of several folders, for several parts of the page at once. */
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import { FolderPictures } from '../../choose/folder_pictures.svelte.ts';
import type { DatasetPhoto } from '../../choose/left_out.ts';

const PICTURE_PX = 112;

export class InspectedPictures {
  readonly #folders: readonly FolderPictures[];
  readonly #wanted = new Map<string, readonly DatasetPhoto[]>();

  constructor(references: readonly DirectoryReference[]) {
    this.#folders = references.map((reference) => new FolderPictures([reference], PICTURE_PX));
  }

  /** undefined until it is read; null where it cannot be. */
  of({ folder, path }: DatasetPhoto): ImageBitmap | null | undefined {
    return this.#folders[folder]?.of(path);
  }

  /** @param part of the page; what it wanted before and has not been read is left out */
  want(part: string, photos: readonly DatasetPhoto[]): void {
    this.#wanted.set(part, photos);
    const all = [...this.#wanted.values()].flat();
    this.#folders.forEach((pictures, folder) =>
      pictures.want([...new Set(all.filter((photo) => photo.folder === folder).map(({ path }) => path))]),
    );
  }

  close(): void {
    for (const pictures of this.#folders) pictures.close();
  }
}

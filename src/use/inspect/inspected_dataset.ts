/** A dataset that was looked at: its photos by their places in a list, its people by their labels. */
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { EmbeddedPhotos } from '../../../workers/protocol/use/inspect.ts';
import type { DatasetPhoto } from '../../choose/left_out.ts';
import { InspectedPictures } from './inspected_pictures.ts';

export interface InspectedNames {
  readonly datasetName: string;
  readonly modelName: string;
  /** Changes with the model. */
  readonly modelKey: string;
}

export class InspectedDataset {
  readonly names: InspectedNames;
  readonly references: readonly DirectoryReference[];
  readonly classNames: readonly string[];
  readonly photos: readonly DatasetPhoto[];
  readonly labels: Uint32Array;
  /** Why other photos could not be read. */
  readonly failures: readonly string[];
  readonly #pictures: InspectedPictures;
  readonly #rowsByClass: readonly number[][];

  constructor(
    names: InspectedNames,
    references: readonly DirectoryReference[],
    {
      classNames,
      paths,
      folders,
      labels,
      failures,
    }: Pick<EmbeddedPhotos, 'classNames' | 'paths' | 'folders' | 'labels' | 'failures'>,
  ) {
    this.names = names;
    this.references = references;
    this.classNames = classNames;
    this.labels = labels;
    this.failures = failures;
    const list = labels.length === 0 ? [] : paths.split('\0');
    this.photos = list.map((path, row) => ({ path, folder: folders[row]! }));
    this.#pictures = new InspectedPictures(references);
    this.#rowsByClass = classNames.map(() => []);
    labels.forEach((label, row) => this.#rowsByClass[label]!.push(row));
  }

  /** The photos of a person. */
  rowsOf(label: number): readonly number[] {
    return this.#rowsByClass[label] ?? [];
  }

  /** The folder's name as people write names. */
  nameOf(label: number): string {
    return (this.classNames[label] ?? '').replaceAll('_', ' ');
  }

  /** undefined until it is read; null where it cannot be. */
  picture(row: number): ImageBitmap | null | undefined {
    return this.#pictures.of(this.photos[row]!);
  }

  /** Reads these pictures. @param part of the page that shows them; what it wanted before is forgotten */
  want(part: string, rows: readonly number[]): void {
    this.#pictures.want(
      part,
      rows.map((row) => this.photos[row]!),
    );
  }

  close(): void {
    this.#pictures.close();
  }
}

/** People's photos, those nearest to the person's centre first. */
export class TypicalPhotos {
  readonly #inspected: InspectedDataset;
  readonly #distances: Float32Array;
  readonly #sorted = new Map<number, readonly number[]>();

  /** @param distances to the person's centre; NaN where there is none */
  constructor(inspected: InspectedDataset, distances: Float32Array) {
    this.#inspected = inspected;
    this.#distances = distances;
  }

  of(label: number): readonly number[] {
    let rows = this.#sorted.get(label);
    if (!rows) {
      const rank = (row: number): number => {
        const distance = this.#distances[row]!;
        return Number.isNaN(distance) ? 3 : distance;
      };
      rows = [...this.#inspected.rowsOf(label)].sort((a, b) => rank(a) - rank(b));
      this.#sorted.set(label, rows);
    }
    return rows;
  }
}

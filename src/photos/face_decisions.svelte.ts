/** What a person decides about single photos after an alignment: another of the found faces, or none at all. */
import type { AlignOptions } from '../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { requestAccess } from '../session/folders.ts';
import { alignWorker } from '../session/workers.ts';
import type { FoundFaces } from './found_faces.svelte.ts';

/** The alignment that the decisions are about. */
export interface DecidedAlignment {
  readonly isBusy: boolean;
  readonly inputFolders: readonly DirectoryReference[];
  /** Where the faces are; undefined where they cannot be read back. */
  readonly aligned: DirectoryReference | undefined;
  readonly options: AlignOptions;
  problem: Problem | undefined;
  /** The photo was set aside, and so gives no face any more. */
  onSetAside(path: string): void;
  onTakenBack(paths: readonly string[]): void;
  /** These faces are gone. */
  onRemoved(outputPaths: readonly string[]): void;
  alignAgain(paths: readonly string[]): Promise<void>;
}

export class FaceDecisions {
  /** A decision about a photo is being written. */
  isDeciding = $state(false);
  readonly #alignment: DecidedAlignment;
  readonly #faces: FoundFaces;

  constructor(alignment: DecidedAlignment, faces: FoundFaces) {
    this.#alignment = alignment;
    this.#faces = faces;
  }

  /** Whether faces can be exchanged and photos set aside: they are in a folder, and nothing is under way. */
  get arePossible(): boolean {
    const { isBusy, aligned } = this.#alignment;
    return !isBusy && !this.isDeciding && aligned !== undefined;
  }

  /** Writes another of the found faces in the place of the one that was taken. */
  async takeFace(facePath: string, face: number): Promise<void> {
    const detection = this.#faces.detectionOf(facePath);
    if (!detection) return;
    await this.#decide(async (output) => {
      const { image_size, margin } = this.#alignment.options;
      const input = [...this.#alignment.inputFolders];
      const decision = { input, output, path: detection.path, outputPath: facePath };
      await alignWorker.call((api) =>
        api.takeFace({ ...decision, options: { image_size, margin } }, detection.faces[face]!),
      );
      this.#faces.exchange(facePath, face);
    });
  }

  /**
   * Removes the photo's faces; it stays aside when its folder is aligned again.
   * @returns the photo's path; undefined where that did not work
   */
  async setAside(facePath: string): Promise<string | undefined> {
    let photoPath: string | undefined;
    await this.#decide(async (output) => {
      const path = await this.#faces.photoOf(facePath);
      const outputPaths = this.#faces.detectionOf(facePath)?.outputPaths ?? [facePath];
      await alignWorker.call((api) => api.setAside(output, path, outputPaths));
      this.#faces.forget(outputPaths);
      this.#alignment.onSetAside(path);
      photoPath = path;
    });
    return photoPath;
  }

  /** Removes faces whose photos are gone. */
  async removeFaces(outputPaths: readonly string[]): Promise<void> {
    await this.#decide(async (output) => {
      await alignWorker.call((api) => api.removeFaces(output, outputPaths));
      this.#faces.forget(outputPaths);
      this.#alignment.onRemoved(outputPaths);
    });
  }

  /** Aligns photos again that were set aside. */
  async takeBack(paths: readonly string[]): Promise<void> {
    if (!this.arePossible) return;
    await this.#decide(async (output) => {
      for (const path of paths) await alignWorker.call((api) => api.takeBack(output, path));
      this.#alignment.onTakenBack(paths);
    });
    if (!this.#alignment.problem) await this.#alignment.alignAgain(paths);
  }

  /** Aligns the photo of a face from an earlier visit again, so that it is known what is found in it. */
  async findAgain(facePath: string): Promise<void> {
    const path = await this.setAside(facePath);
    if (path !== undefined) await this.takeBack([path]);
  }

  async #decide(work: (output: DirectoryReference) => Promise<void>): Promise<void> {
    const { aligned, inputFolders } = this.#alignment;
    if (!this.arePossible || !aligned) return;
    this.#alignment.problem = undefined;
    this.isDeciding = true;
    try {
      if (!(await requestAccess([aligned], 'readwrite')) || !(await requestAccess(inputFolders))) return;
      await work(aligned);
    } catch (error) {
      this.#alignment.problem = problemOf(error);
    } finally {
      this.isDeciding = false;
    }
  }
}

/** The faces of an alignment that can be read back, their pictures, and what is known of the photos they come from. */
import type { AlignEvent } from '../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import { countClasses, withoutPaths } from '../choose/class_counts.ts';
import { Detections, PhotosByName, type Detection } from './detections.ts';
import { FolderPictures } from '../choose/folder_pictures.svelte.ts';

const THUMBNAIL_SIZE_PX = 112;

export class PhotoMissingError extends Error {
  override name = 'PhotoMissingError';
  constructor(facePath: string) {
    super(`The photo of ${facePath} is not in the chosen folders. Choose the folder that it came from.`);
  }
}

export class FoundFaces {
  /** Every aligned face that can be read back, by its path: while a run goes on, its own; then all in the folder. */
  paths = $state.raw<readonly string[]>([]);
  inputPictures = $state.raw<FolderPictures | undefined>();
  facePictures = $state.raw<FolderPictures | undefined>();
  /** What was found in the photos of this visit, by the path of the face that was written. */
  readonly #detections = new Detections();
  /** Counts the changes of what was found, which is not watched itself. */
  #detectionChanges = $state(0);
  #photosByName: PhotosByName | undefined;
  /** A person has looked at the faces in doubt, or does not want to. */
  isDoubtSettled = $state(false);

  /** The faces that a person should look at: see `Detections.inDoubt`. */
  readonly inDoubt = $derived.by(() => {
    void this.#detectionChanges;
    return this.#detections.inDoubt(this.paths);
  });
  /** The people that the faces are filed under. */
  readonly personCount = $derived(countClasses(this.paths));

  /** Another input than before, perhaps: nothing is known of its photos. */
  openInput(folders: readonly DirectoryReference[]): void {
    this.#detections.clear();
    this.#photosByName = undefined;
    this.inputPictures?.close();
    this.inputPictures = new FolderPictures(folders, THUMBNAIL_SIZE_PX);
  }

  /** @param folder undefined where the faces cannot be read back */
  openOutput(folder: DirectoryReference | undefined): void {
    this.paths = [];
    this.isDoubtSettled = false;
    this.facePictures?.close();
    this.facePictures = folder && new FolderPictures([folder], THUMBNAIL_SIZE_PX);
  }

  async listAll(): Promise<void> {
    this.paths = (await this.facePictures?.list()) ?? [];
    this.#detectionChanges++;
  }

  /** Faces that were written just now. */
  add(events: readonly Extract<AlignEvent, { kind: 'aligned' }>[]): void {
    for (const event of events) this.#detections.add(event);
    if (events.length === 0 || !this.facePictures) return;
    this.paths = [...this.paths, ...events.flatMap(({ outputPaths }) => outputPaths)];
  }

  detectionOf(facePath: string): Detection | undefined {
    void this.#detectionChanges;
    return this.#detections.of(facePath);
  }

  /** Another of the found faces was written in the place of the one that was taken. */
  exchange(facePath: string, face: number): void {
    this.#detections.choose(facePath, face);
    this.facePictures?.forget(facePath);
    this.#detectionChanges++;
  }

  forget(facePaths: readonly string[]): void {
    for (const path of facePaths) {
      this.#detections.delete(path);
      this.facePictures?.forget(path);
    }
    this.paths = withoutPaths(this.paths, facePaths);
    this.#detectionChanges++;
  }

  /** The photo of a face; for a face from an earlier visit the photo of its name. @throws PhotoMissingError */
  async photoOf(facePath: string): Promise<string> {
    const detection = this.#detections.of(facePath);
    if (detection) return detection.path;
    this.#photosByName ??= new PhotosByName((await this.inputPictures?.list()) ?? []);
    const path = this.#photosByName.of(facePath);
    if (path === undefined) throw new PhotoMissingError(facePath);
    return path;
  }

  close(): void {
    this.paths = [];
    this.#photosByName = undefined;
    this.#detections.clear();
    this.inputPictures?.close();
    this.facePictures?.close();
    this.inputPictures = undefined;
    this.facePictures = undefined;
  }
}

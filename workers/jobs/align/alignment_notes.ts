/**
 * What a run writes beside the faces: `bounding_boxes_NNNNN.txt` as the original does, and `alignment_NNNNN.jsonl` with
 * the record of each photo. Both grow by whole lines, and every run has files of its own: several runs can share a folder.
 */
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import type { AlignSettings, PhotoRecord } from '../../protocol/align/align_record.ts';
import { faceLine, failureLine, replaceLines } from './bounding_boxes.ts';
import type { ExistingFaces } from './existing_faces.ts';
import { SharedWork } from './shared_work.ts';
import { RecordLines, type FaceMadeElsewhere, type SamePhoto } from '../../files/photo_record.ts';

/** A folder on disk copies a file to append to it: a new one is begun before that takes long. */
const FILE_CHARACTERS = 4_000_000;

/** Text that goes to the end of a file. */
class GrowingFile {
  readonly #output: WritableDirectory;
  readonly #path: (number: string) => string;
  #number: string;
  #pending = '';
  #length = 0;

  constructor(output: WritableDirectory, number: string, path: (number: string) => string) {
    this.#output = output;
    this.#number = number;
    this.#path = path;
  }

  add(text: string): void {
    this.#pending += text;
  }

  /** @returns whether the next text begins a new file */
  async flush(): Promise<boolean> {
    if (this.#pending === '') return false;
    const text = this.#pending;
    if (this.#output.append) await this.#output.append(this.#path(this.#number), text);
    else await this.#output.write(this.#path(this.#number), text);
    this.#pending = this.#pending.slice(text.length);
    this.#length += text.length;
    if (this.#length < FILE_CHARACTERS) return false;
    this.#number = randomNumber();
    this.#length = 0;
    return true;
  }
}

function randomNumber(): string {
  return String(Math.floor(Math.random() * 100_000)).padStart(5, '0');
}

export class AlignmentNotes {
  readonly #output: WritableDirectory;
  readonly #existing: ExistingFaces;
  readonly #work: SharedWork;
  readonly #boxes: GrowingFile;
  readonly #records: GrowingFile;
  #lines = new RecordLines();
  /** Paths whose lines in older files are out of date. */
  #outdated: string[] = [];

  constructor(output: WritableDirectory, existing: ExistingFaces, work = new SharedWork(output)) {
    this.#output = output;
    this.#work = work;
    this.#existing = existing;
    const number = randomNumber();
    this.#boxes = new GrowingFile(output, number, (some) => `bounding_boxes_${some}.txt`);
    this.#records = new GrowingFile(output, number, (some) => `alignment_${some}.jsonl`);
  }

  /** Whether text can be added to a file: a zip takes each name once. */
  get canGrow(): boolean {
    return this.#output.append !== undefined;
  }

  /** What faces that were there tell, and no file does. */
  addUnlisted(records: readonly PhotoRecord[]): void {
    const { sizes, unnoted, boundingBoxes } = this.#existing;
    const inFacesOnly = new Set(unnoted);
    for (const record of records) {
      if (inFacesOnly.has(record)) this.#records.add(this.#lines.photo(record));
      for (const { path, box } of record.outputs)
        if (sizes.has(path) && !boundingBoxes.hasFace(path)) this.#boxes.add(faceLine(path, box));
    }
  }

  /** Before the first face is written: later runs then look for records inside of the faces. */
  begin(settings: AlignSettings): void {
    this.#records.add(this.#lines.begin(settings));
  }

  addMadeElsewhere(face: FaceMadeElsewhere): void {
    this.#records.add(this.#lines.madeElsewhere(face));
  }

  addSamePhoto(same: SamePhoto): void {
    this.#records.add(this.#lines.samePhoto(same));
  }

  /** @param failurePath what the photo is listed as when it gives no face */
  addPhoto(record: PhotoRecord, failurePath: string): void {
    this.#records.add(this.#lines.photo(record));
    for (const { path, box } of record.outputs) this.#boxes.add(faceLine(path, box));
    this.forget([...record.outputs.map(({ path }) => path), failurePath]);
  }

  /**
   * A photo that gives no face is listed once, however often it is tried.
   * @param removedFaces what was there of the photo before
   */
  addFailure(path: string, removedFaces: readonly string[] = []): void {
    this.forget(removedFaces);
    if (removedFaces.length > 0 || !this.#existing.boundingBoxes.hasFailure(path))
      this.#boxes.add(failureLine(path));
  }

  /** The lines that there were about these paths are no longer true. */
  forget(paths: readonly string[]): void {
    this.#outdated.push(...paths);
  }

  async flush(): Promise<void> {
    const files = this.#existing.boundingBoxes.filesWith(this.#outdated);
    // Older files are everybody's.
    if (files.size > 0)
      await this.#work.alone(() => replaceLines(this.#output, this.#outdated, undefined, files));
    this.#outdated = [];
    await this.#boxes.flush();
    if (await this.#records.flush()) this.#lines = new RecordLines();
  }
}

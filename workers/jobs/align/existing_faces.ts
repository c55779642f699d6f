/** What an output folder holds when an alignment begins: its faces, how they were made, and what is listed of them. */
import type { ReadableDirectory } from '../../protocol/data/directories.ts';
import { fileStats } from '../../files/file_stats.ts';
import type { PhotoRecord } from '../../protocol/align/align_record.ts';
import { BoundingBoxes, isBoundingBoxesPath } from './bounding_boxes.ts';
import {
  isRecordPath,
  readRecordLines,
  recordInside,
  type FaceMadeElsewhere,
  type SamePhoto,
} from '../../files/photo_record.ts';

/** Faces that are opened at once, to see what is noted inside of them. */
const FACES_OPENED_AT_ONCE = 16;
const FACE_PATH = /\.png$/;

/** A record whose faces are not all kept: of a large folder they are most of it. */
export type ExistingRecord = PhotoRecord;

export class ExistingFaces {
  /** Of each aligned face, by its path. An interrupted write may have left an empty file, which counts as none. */
  readonly sizes = new Map<string, number>();
  boundingBoxes = new BoundingBoxes();
  /** Records that were found inside of faces only: the run that made them ended before it noted them down. */
  readonly unnoted: PhotoRecord[] = [];
  /** Faces without a record that no file tells about yet. */
  readonly newElsewhere: FaceMadeElsewhere[] = [];
  /** By the path of the photo's first face. */
  readonly #records = new Map<string, ExistingRecord>();
  /** First faces by the other faces of their photo. */
  readonly #firstOf = new Map<string, string>();

  static async read(output: ReadableDirectory): Promise<ExistingFaces> {
    const existing = new ExistingFaces();
    const faces: string[] = [];
    const records: string[] = [];
    const boxes: string[] = [];
    for await (const { path } of output.list())
      if (FACE_PATH.test(path)) faces.push(path);
      else if (isRecordPath(path)) records.push(path);
      else if (isBoundingBoxesPath(path)) boxes.push(path);
    const stats = await fileStats(output, faces);
    faces.forEach((path, index) => {
      if (stats[index]?.sizeBytes) existing.sizes.set(path, stats[index].sizeBytes);
    });
    const elsewhere = await existing.#readRecords(output, records);
    const unknown = [...existing.sizes.keys()].filter(
      (path) => !existing.hasRecord(path) && elsewhere.get(path) !== existing.sizes.get(path),
    );
    if (records.length > 0) await existing.#openFaces(output, unknown);
    else for (const path of unknown) existing.#addElsewhere(path);
    existing.boundingBoxes = await BoundingBoxes.read(output, boxes);
    return existing;
  }

  /** The record of the photo whose first face this is; undefined for a face that was made elsewhere. */
  recordOf(firstFacePath: string): ExistingRecord | undefined {
    return this.#records.get(firstFacePath);
  }

  /** Whether a record tells of this face, whichever of its photo it is. */
  hasRecord(path: string): boolean {
    return this.#records.has(path) || this.#firstOf.has(path);
  }

  /** Photos whose faces are on the disk, and that the lists do not tell of: their run was killed, or is at work. */
  get unlisted(): ExistingRecord[] {
    const unnoted = new Set(this.unnoted);
    return [...this.#records.values()].filter(
      (record) =>
        unnoted.has(record) ||
        record.outputs.some(({ path }) => this.sizes.has(path) && !this.boundingBoxes.hasFace(path)),
    );
  }

  get records(): Iterable<ExistingRecord> {
    return this.#records.values();
  }

  async #readRecords(output: ReadableDirectory, names: readonly string[]): Promise<Map<string, number>> {
    const elsewhere = new Map<string, number>();
    const samePhotos: SamePhoto[] = [];
    for (const name of names)
      await readRecordLines(await output.read(name), {
        // The faces are needed again only where a person chose among them.
        onPhoto: (record) => this.#consider(record.isByHand ? record : { ...record, faces: [] }),
        onMadeElsewhere: ({ path, sizeBytes }) => elsewhere.set(path, sizeBytes),
        onSamePhoto: (same) => samePhotos.push(same),
      });
    for (const { face, photo, modifiedMs } of samePhotos) {
      const record = this.#records.get(face);
      if (record) this.#records.set(face, { ...record, photo, modifiedMs });
    }
    return elsewhere;
  }

  /** Of several records for one face, that of the file which is there; what a person decided comes later than the rest. */
  #consider(record: PhotoRecord): void {
    const [first, ...others] = record.outputs;
    if (!first || this.sizes.get(first.path) !== first.sizeBytes) return;
    if (this.#records.get(first.path)?.isByHand && !record.isByHand) return;
    this.#records.set(first.path, record);
    for (const { path } of others) this.#firstOf.set(path, first.path);
  }

  async #openFaces(output: ReadableDirectory, paths: readonly string[]): Promise<void> {
    for (let from = 0; from < paths.length; from += FACES_OPENED_AT_ONCE)
      await Promise.all(
        paths.slice(from, from + FACES_OPENED_AT_ONCE).map(async (path) => {
          const record = await recordInside(await output.read(path));
          // A face that was moved or renamed is not what its record says.
          if (record?.outputs[0]?.path === path) this.#addUnnoted(record);
        }),
      );
    for (const path of paths) if (!this.hasRecord(path)) this.#addElsewhere(path);
  }

  #addUnnoted(found: PhotoRecord): void {
    const outputs = found.outputs.map((output) => ({
      ...output,
      sizeBytes: this.sizes.get(output.path) ?? 0,
    }));
    const record = { ...found, outputs };
    this.unnoted.push(record);
    this.#consider(record);
  }

  #addElsewhere(path: string): void {
    this.newElsewhere.push({ path, sizeBytes: this.sizes.get(path)! });
  }
}

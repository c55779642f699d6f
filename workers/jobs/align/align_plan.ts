/**
 * Which photos an alignment looks at: those whose face is not there yet, whose content is another one than that of the
 * face, or whose face was made with other settings. A face without a record is taken for its photo's by its name, as the
 * original takes it.
 */
import type { ImageFile } from '../../files/classes.ts';
import { fileStats } from '../../files/file_stats.ts';
import type { FileStats, ReadableDirectory } from '../../protocol/data/directories.ts';
import { sha256 } from '../../common/sha256.ts';
import type { AlignOptions } from '../../protocol/align/align.ts';
import type { AlignPlanCounts, FacesWithoutPhoto, PhotoRecord } from '../../protocol/align/align_record.ts';
import type { OutputNames } from '../output_names.ts';
import type { ExistingFaces } from './existing_faces.ts';
import { areSameSettings, type SamePhoto } from '../../files/photo_record.ts';

export interface PlannedPhoto {
  readonly image: ImageFile;
  /** What is there of the photo, or of another photo under its name, and is replaced. */
  readonly previous?: PhotoRecord | undefined;
  /** The face that a person chose in this photo, which is chosen again. */
  readonly choice?: PhotoRecord | undefined;
}

export interface AlignPlan {
  readonly todo: readonly PlannedPhoto[];
  /** Photos that are there already under another name or modification time. */
  readonly samePhotos: readonly SamePhoto[];
  readonly counts: AlignPlanCounts;
}

export interface PlanInput {
  /** All photos of the input, by which faces are named. */
  readonly allImages: readonly ImageFile[];
  /** Those that are asked for. */
  readonly images: readonly ImageFile[];
  readonly names: OutputNames;
  readonly existing: ExistingFaces;
  readonly setAside: ReadonlySet<string>;
  readonly options: AlignOptions;
}

/** `<stem>.png`, or the first of `<stem>_0.png`, `<stem>_1.png` … */
export function facePath(stem: string, order: number, { detect_multiple_faces }: AlignOptions): string {
  return detect_multiple_faces ? `${stem}_${order}.png` : `${stem}.png`;
}

export async function planAlignment(input: PlanInput): Promise<AlignPlan> {
  const { images, setAside } = input;
  const stems = new Set(input.allImages.map((image) => input.names.stemOf(image)));
  const wanted = images.filter(({ path }) => !setAside.has(path));
  const found = wanted.map((image) => faceOf(image, input, stems));
  const stats = await statsOfPhotos(wanted.filter((_, index) => typeof found[index] === 'object'));
  const counts = {
    unchanged: 0,
    withoutRecord: 0,
    missing: 0,
    changedPhotos: 0,
    otherSettings: 0,
    keptByHand: 0,
  };
  const todo: PlannedPhoto[] = [];
  const samePhotos: SamePhoto[] = [];
  for (const [index, image] of wanted.entries()) {
    const face = found[index];
    if (typeof face !== 'object') {
      if (face === 'missing') todo.push({ image });
      counts[face === 'missing' ? 'missing' : 'withoutRecord']++;
      continue;
    }
    const photo = stats.get(image);
    if (!(await isSamePhoto(image, photo, face))) {
      counts.changedPhotos++;
      todo.push({ image, previous: face });
      continue;
    }
    const { modifiedMs } = photo!;
    if (face.photo !== image.path || face.modifiedMs !== modifiedMs)
      samePhotos.push({ face: face.outputs[0]!.path, photo: image.path, modifiedMs });
    if (areSameSettings(face.settings, input.options)) {
      counts.unchanged++;
      continue;
    }
    counts.otherSettings++;
    if (face.isByHand) counts.keptByHand++;
    todo.push({ image, previous: face, choice: face.isByHand ? face : undefined });
  }
  return {
    todo,
    samePhotos,
    counts: {
      ...counts,
      totalImages: images.length,
      setAside: images.length - wanted.length,
      withoutPhoto: facesWithoutPhoto(input.existing, stems),
    },
  };
}

/** The record of the photo's face; or whether the face is there without one. */
function faceOf(
  image: ImageFile,
  { names, existing, options }: PlanInput,
  stems: ReadonlySet<string>,
): PhotoRecord | 'missing' | 'without record' {
  const stem = names.stemOf(image);
  const own = facePath(stem, 0, options);
  if (existing.sizes.has(own)) {
    const record = existing.recordOf(own);
    if (record && isFaceNamed(record, stem)) return record;
    if (!existing.hasRecord(own)) return 'without record';
  }
  const other = facePath(stem, 0, { ...options, detect_multiple_faces: !options.detect_multiple_faces });
  if (!existing.sizes.has(other)) return 'missing';
  const record = existing.recordOf(other);
  if (record) return isFaceNamed(record, stem) ? record : 'missing';
  // `a_0.png` is the first of several faces of `a`, where there is such a photo, and not the only face of `a_0`.
  const isOfAnother = existing.hasRecord(other) || stems.has(withoutNumber(stem));
  return options.detect_multiple_faces && !isOfAnother ? 'without record' : 'missing';
}

function isFaceNamed({ outputs, settings }: PhotoRecord, stem: string): boolean {
  return outputs[0]!.path === facePath(stem, 0, { ...settings, random_order: false });
}

/** `a_0` → `a`; undefined for a name without a number */
function withoutNumber(stem: string): string {
  return /^(.*)_\d+$/s.exec(stem)?.[1] ?? '';
}

async function statsOfPhotos(images: readonly ImageFile[]): Promise<Map<ImageFile, FileStats>> {
  const byDirectory = new Map<ReadableDirectory, ImageFile[]>();
  for (const image of images) {
    const list = byDirectory.get(image.directory);
    if (list) list.push(image);
    else byDirectory.set(image.directory, [image]);
  }
  const found = new Map<ImageFile, FileStats>();
  for (const [directory, list] of byDirectory) {
    const stats = await fileStats(
      directory,
      list.map(({ path }) => path),
    );
    list.forEach((image, index) => {
      if (stats[index]) found.set(image, stats[index]);
    });
  }
  return found;
}

/** By size and modification time; by the content, where only the time or the name is another. */
async function isSamePhoto(
  { path, directory }: ImageFile,
  stats: FileStats | undefined,
  record: PhotoRecord,
): Promise<boolean> {
  if (stats?.sizeBytes !== record.sizeBytes) return false;
  const isSameName = path === record.photo;
  if (isSameName && stats.modifiedMs === record.modifiedMs && stats.modifiedMs !== 0) return true;
  if (record.sha256 === '') return isSameName && (stats.modifiedMs === 0 || record.modifiedMs === 0);
  const content = await (await directory.read(path)).arrayBuffer();
  return (await sha256(new Uint8Array(content))) === record.sha256;
}

function facesWithoutPhoto(existing: ExistingFaces, stems: ReadonlySet<string>): FacesWithoutPhoto[] {
  const found: FacesWithoutPhoto[] = [];
  for (const { photo, outputs, settings } of existing.records) {
    const first = outputs[0]!.path.slice(0, -'.png'.length);
    if (stems.has(settings.detect_multiple_faces ? withoutNumber(first) : first)) continue;
    const outputPaths = outputs.map(({ path }) => path).filter((path) => existing.sizes.has(path));
    found.push({ photo, outputPaths });
  }
  for (const path of existing.sizes.keys()) {
    const stem = path.slice(0, -'.png'.length);
    if (existing.hasRecord(path) || stems.has(stem) || stems.has(withoutNumber(stem))) continue;
    found.push({ photo: undefined, outputPaths: [path] });
  }
  return found;
}

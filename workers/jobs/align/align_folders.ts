/** The folders of an alignment, read: photos, the faces that are there, and what follows from both. */
import { requireApart } from '../../files/apart.ts';
import { readClasses, type ImageFile } from '../../files/classes.ts';
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { isPhotoPath } from '../../protocol/data/images.ts';
import { openDirectories, openWritableDirectory } from '../../files/open.ts';
import type { AlignRequest } from '../../protocol/align/align.ts';
import type { AlignPlanCounts, PhotoRecord } from '../../protocol/align/align_record.ts';
import type { DatasetTotals, DirectoryReference } from '../../protocol/data/dataset.ts';
import type { SkippedFiles } from '../../protocol/data/skipped_files.ts';
import { OutputNames } from '../output_names.ts';
import { planAlignment, type AlignPlan } from './align_plan.ts';
import { ExistingFaces } from './existing_faces.ts';
import { isRecordPath, readRecordLines } from '../../files/photo_record.ts';
import { readSetAside } from './set_aside_photos.ts';

export interface AlignFolders {
  readonly output: WritableDirectory;
  /** The photos that are asked for. */
  readonly images: readonly ImageFile[];
  readonly names: OutputNames;
  /** Files that are no photos of the dataset. */
  readonly skipped: readonly SkippedFiles[];
  /** Of these photos. */
  readonly setAside: readonly string[];
  readonly existing: ExistingFaces;
  readonly plan: AlignPlan;
}

/** @throws OutputInsideInputError, NoImagesError, SetAsideListDamagedError, PermissionLostError, and the signal's reason */
export async function readAlignFolders(
  { input, output: target, paths, options }: AlignRequest,
  openOutput: () => Promise<WritableDirectory>,
  onProgress: ((totals: DatasetTotals) => void) | undefined,
  signal: AbortSignal,
): Promise<AlignFolders> {
  if (target.kind === 'directory') await requireApart(input, target.directory);
  const dataset = await readClasses(await openDirectories(input), onProgress, signal, isPhotoPath);
  const output = await openOutput();
  const allImages = dataset.classes.flatMap(({ images: list }) => list);
  // Named among all of them: a photo's face is called the same whichever photos are asked for.
  const names = new OutputNames(dataset.classes);
  const wanted = paths && new Set(paths);
  const images = wanted ? allImages.filter(({ path }) => wanted.has(path)) : allImages;
  const setAside = await readSetAside(output);
  const existing = await ExistingFaces.read(output);
  const plan = await planAlignment({ allImages, images, names, existing, setAside, options });
  const setAsideHere = images.map(({ path }) => path).filter((path) => setAside.has(path));
  return { output, skipped: dataset.skipped, images, names, setAside: setAsideHere, existing, plan };
}

/** What an alignment would do. @throws as readAlignFolders */
export async function planOf(request: AlignRequest, signal: AbortSignal): Promise<AlignPlanCounts> {
  const { output } = request;
  if (output.kind !== 'directory') throw new TypeError('A zip file holds nothing before it is written.');
  const open = (): Promise<WritableDirectory> => openWritableDirectory(output.directory);
  return (await readAlignFolders(request, open, undefined, signal)).plan.counts;
}

/** The records of the faces that are in the folder. */
export async function existingRecords(reference: DirectoryReference): Promise<PhotoRecord[]> {
  const output = await openWritableDirectory(reference);
  const existing = await ExistingFaces.read(output);
  const found = new Map([...existing.unnoted].map((record) => [record.outputs[0]!.path, record]));
  for await (const { path: name } of output.list()) {
    if (!isRecordPath(name)) continue;
    await readRecordLines(await output.read(name), {
      onPhoto(record) {
        const { path, sizeBytes } = record.outputs[0]!;
        // The same choice among several records as the alignment makes.
        const valid = existing.recordOf(path);
        if (valid?.outputs[0]!.sizeBytes !== sizeBytes || valid.isByHand !== record.isByHand) return;
        found.set(path, { ...record, photo: valid.photo, modifiedMs: valid.modifiedMs });
      },
    });
  }
  return [...found.values()];
}

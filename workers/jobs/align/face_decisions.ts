/** What a person decides about single photos after an alignment: another of the found faces, or none at all. */
import { readClasses, type ImageFile } from '../../files/classes.ts';
import { decodeImage } from '../../files/images/decode.ts';
import { fileStats, statsOfBlob } from '../../files/file_stats.ts';
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { FileMissingError } from '../../protocol/data/file_errors.ts';
import { isPhotoPath } from '../../protocol/data/images.ts';
import { openDirectories, openWritableDirectory } from '../../files/open.ts';
import { sha256 } from '../../common/sha256.ts';
import { boxOfCut, faceCut } from '../../detector/align.ts';
import { Photo } from '../../detector/photo.ts';
import { DEFAULT_ALIGN_OPTIONS, type DetectedFace, type FaceDecision } from '../../protocol/align/align.ts';
import type { PhotoRecord, RecordedOutput } from '../../protocol/align/align_record.ts';
import type { DirectoryReference } from '../../protocol/data/dataset.ts';
import { faceLine, replaceLines } from './bounding_boxes.ts';
import { BY_HAND_PATH, RecordLines, recordInside, settingsOf, withRecord } from '../../files/photo_record.ts';
import { readSetAside, writeSetAside } from './set_aside_photos.ts';
import { OutputNames } from '../output_names.ts';

export class FaceOutsideError extends Error {
  override name = 'FaceOutsideError';
  constructor(path: string) {
    super(`This face is outside the photo ${path}. Choose another face.`);
  }
}

/**
 * Writes this face of the photo in place of the one that is there, and notes down that a person chose it.
 * @throws FaceOutsideError, FileMissingError
 */
export async function takeFace(decision: FaceDecision, face: DetectedFace): Promise<void> {
  const { path, outputPath } = decision;
  const output = await openWritableDirectory(decision.output);
  const file = await findPhoto(decision);
  const blob = await file.directory.read(path);
  const decoded = await decodeImage(blob, path);
  const before = await recordAround(output, outputPath);
  // The folder's other faces are aligned as this one was.
  const options = { alignment: before?.settings.alignment, ...decision.options };
  const cut = faceCut(face, options, decoded.width, decoded.height);
  const box = boxOfCut(cut, options.image_size, decoded.width, decoded.height);
  const photo = new Photo(decoded, DEFAULT_ALIGN_OPTIONS);
  const content = (await photo.align([cut], options.image_size, false)).files[0];
  if (!content) throw new FaceOutsideError(path);
  const digest = await sha256(new Uint8Array(await blob.arrayBuffer()));
  const known = before?.sha256 === digest ? before.faces : [];
  const found = known.findIndex(({ box: other }) => isSameBox(other, face.box));
  const faceIndex = found < 0 ? known.length : found;
  const record: PhotoRecord = {
    photo: path,
    ...statsOfBlob(blob),
    sha256: digest,
    width: decoded.width,
    height: decoded.height,
    settings: { ...settingsOf(before?.settings ?? DEFAULT_ALIGN_OPTIONS), ...options },
    faces: found < 0 ? [...known, face] : known,
    outputs: outputsWith(before, { path: outputPath, face: faceIndex, box, sizeBytes: 0 }),
    isByHand: true,
  };
  const isFirst = record.outputs[0]!.path === outputPath;
  await output.write(outputPath, isFirst ? withRecord(content, record) : content);
  const paths = record.outputs.map((one) => one.path);
  const stats = await fileStats(output, paths);
  const outputs = record.outputs.map((one, index) => ({ ...one, sizeBytes: stats[index]?.sizeBytes ?? 0 }));
  await appendText(output, BY_HAND_PATH, new RecordLines().photo({ ...record, outputs }));
  await replaceLines(output, [outputPath], faceLine(outputPath, box));
}

/** The record that is in this face, or in the first of its photo's faces. */
async function recordAround(output: WritableDirectory, outputPath: string): Promise<PhotoRecord | undefined> {
  for (const path of [outputPath, outputPath.replace(/_\d+\.png$/, '_0.png')]) {
    const record = (await output.exists(path)) ? await recordInside(await output.read(path)) : undefined;
    if (record?.outputs.some((one) => one.path === outputPath)) return record;
  }
  return undefined;
}

function outputsWith(before: PhotoRecord | undefined, output: RecordedOutput): RecordedOutput[] {
  return before ? before.outputs.map((one) => (one.path === output.path ? output : one)) : [output];
}

/** Records are rounded. */
function isSameBox(a: DetectedFace['box'], b: DetectedFace['box']): boolean {
  return a.every((value, index) => Math.abs(value - b[index]!) < 0.001);
}

async function appendText(output: WritableDirectory, path: string, text: string): Promise<void> {
  if (output.append) return output.append(path, text);
  const before = (await output.exists(path)) ? await output.read(path) : '';
  await output.write(path, new Blob([before, text]));
}

/** Removes faces, and the lines about them; the records of faces that are gone count for nothing. */
export async function removeFaces(
  reference: DirectoryReference,
  outputPaths: readonly string[],
): Promise<void> {
  const output = await openWritableDirectory(reference);
  for (const path of outputPaths) if (await output.exists(path)) await output.remove(path);
  await replaceLines(output, outputPaths);
}

export async function setAside(
  reference: DirectoryReference,
  path: string,
  outputPaths: readonly string[],
): Promise<void> {
  const output = await openWritableDirectory(reference);
  // First the note: if the rest fails, the next alignment does not bring the face back.
  await writeSetAside(output, (await readSetAside(output)).add(path));
  for (const outputPath of outputPaths) if (await output.exists(outputPath)) await output.remove(outputPath);
  await replaceLines(output, outputPaths, outputPaths[0]);
}

export async function takeBack(reference: DirectoryReference, path: string): Promise<void> {
  const output = await openWritableDirectory(reference);
  const setAsidePaths = await readSetAside(output);
  setAsidePaths.delete(path);
  await writeSetAside(output, setAsidePaths);
}

/** The same path may be in several of the united folders: the face's name tells which one it is. */
async function findPhoto({ input, path, outputPath }: FaceDecision): Promise<ImageFile> {
  const directories = await openDirectories(input);
  const there = await Promise.all(directories.map((directory) => directory.exists(path)));
  const candidates = directories.filter((_, index) => there[index]);
  if (candidates.length === 1) return { path, directory: candidates[0]! };
  if (candidates.length > 1) {
    const { classes } = await readClasses(directories, undefined, undefined, isPhotoPath);
    const names = new OutputNames(classes);
    for (const { images } of classes)
      for (const image of images)
        if (image.path === path && `${names.stemOf(image)}.png` === outputPath) return image;
  }
  throw new FileMissingError(path, directories.map(({ name }) => name).join(' + '));
}

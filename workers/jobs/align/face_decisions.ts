/** What a person decides about single photos after an alignment: another of the found faces, or none at all. */
import { readClasses, type ImageFile } from '../../dataset/classes.ts';
import { decodePhoto } from '../../dataset/decode.ts';
import type { WritableDirectory } from '../../dataset/directory.ts';
import { FileMissingError } from '../../dataset/errors.ts';
import { isPhotoPath } from '../../dataset/image.ts';
import { openDirectories, openWritableDirectory } from '../../dataset/open.ts';
import { cropBox } from '../../mtcnn/align.ts';
import { Photo } from '../../mtcnn/photo.ts';
import { DEFAULT_ALIGN_OPTIONS, type DetectedFace, type FaceDecision } from '../../protocol/align.ts';
import type { DirectoryReference } from '../../protocol/dataset.ts';
import { readSetAside, writeSetAside } from './set_aside_photos.ts';
import { OutputNames } from '../output_names.ts';

const BOUNDING_BOXES = /^bounding_boxes_\d{5}\.txt$/;

export class FaceOutsideError extends Error {
  override name = 'FaceOutsideError';
  constructor(path: string) {
    super(`This face lies outside of ${path}. Take another one.`);
  }
}

/** Writes this face of the photo in place of the one that is there. @throws FaceOutsideError, FileMissingError */
export async function takeFace(decision: FaceDecision, face: DetectedFace): Promise<void> {
  const { path, outputPath, options } = decision;
  const output = await openWritableDirectory(decision.output);
  const file = await findPhoto(decision);
  const decoded = await decodePhoto(await file.directory.read(path), path);
  const box = cropBox(face.box, options.margin, decoded.width, decoded.height);
  const photo = new Photo(decoded, DEFAULT_ALIGN_OPTIONS);
  const content = (await photo.align([box], options.image_size, false)).files[0];
  if (!content) throw new FaceOutsideError(path);
  await output.write(outputPath, content);
  await changeBoundingBoxes(output, [outputPath], `${outputPath} ${box.join(' ')}`);
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
  await changeBoundingBoxes(output, outputPaths, outputPaths[0]);
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

/** Puts `line` in the place of the lines about these faces, in whichever of the files they are. */
async function changeBoundingBoxes(
  output: WritableDirectory,
  outputPaths: readonly string[],
  line: string | undefined,
): Promise<void> {
  const names: string[] = [];
  for await (const { path } of output.list()) if (BOUNDING_BOXES.test(path)) names.push(path);
  for (const name of names) {
    const lines = (await (await output.read(name)).text()).split('\n');
    const isAbout = (text: string): boolean =>
      outputPaths.some(
        (path) => text === path || (text.startsWith(`${path} `) && isBox(text.slice(path.length))),
      );
    const at = lines.findIndex(isAbout);
    if (at < 0) continue;
    const others = lines.filter((text, index) => index === at || !isAbout(text));
    if (line !== undefined) others[others.indexOf(lines[at]!)] = line;
    await output.write(name, others.join('\n'));
  }
}

function isBox(text: string): boolean {
  return /^( -?\d+){4}$/.test(text);
}

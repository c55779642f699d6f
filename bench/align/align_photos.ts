/** The photos of the alignment benchmark: drawn photos, or given photos resized to one size. */
import { drawSampleFace } from '../../workers/jobs/sample_faces/draw_face.ts';
import { samplePerson } from '../../workers/jobs/sample_faces/person.ts';
import { samplePhoto } from '../../workers/jobs/sample_faces/photo.ts';
import { hashKey, uniform } from '../../workers/common/random.ts';
import type { PhotoSet } from './align_bench.ts';

const SEED = 1;
const PEOPLE = 12;
const JPEG = { type: 'image/jpeg', quality: 0.92 } as const;

export async function makePhotos(
  { width, height }: PhotoSet,
  count: number,
  given: readonly string[],
): Promise<File[]> {
  const files: File[] = [];
  for (let index = 0; index < count; index++) {
    const canvas = new OffscreenCanvas(width, height);
    if (given.length > 0) await drawGiven(canvas, given[index % given.length]!);
    else drawFaces(canvas, index);
    const blob = await canvas.convertToBlob(JPEG);
    files.push(new File([blob], `${String(index).padStart(4, '0')}.jpg`, { type: JPEG.type }));
  }
  return files;
}

/** Draws the middle of the photo, scaled to cover the canvas. */
async function drawGiven(canvas: OffscreenCanvas, url: string): Promise<void> {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  drawCovering(canvas, bitmap);
  bitmap.close();
}

function drawCovering(canvas: OffscreenCanvas, image: ImageBitmap | OffscreenCanvas): void {
  const scale = Math.max(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

/** One drawn face in a small photo; in a large photo, several faces of different sizes in front of a textured wall. */
function drawFaces(canvas: OffscreenCanvas, index: number): void {
  const face = (person: number, photo: number): OffscreenCanvas =>
    drawSampleFace(samplePerson(SEED, person % PEOPLE), samplePhoto(SEED, person % PEOPLE, photo));
  const { width, height } = canvas;
  if (Math.max(width, height) <= 600) return drawCovering(canvas, face(index, Math.floor(index / PEOPLE)));
  drawWall(canvas, index);
  const context = canvas.getContext('2d')!;
  const columns = 5;
  for (let column = 0; column < columns; column++) {
    const side = (height / 6) * (1 + ((column + index) % 4));
    const left = ((column + 0.5) * width) / columns - side / 2;
    const top = (height - side) * (0.2 + 0.15 * ((column * 2 + index) % 5));
    context.drawImage(face(index * columns + column, index), left, top, side, side);
  }
}

/** Noise at several scales, which gives edges of all sizes, like foliage or a bookshelf. */
function drawWall(canvas: OffscreenCanvas, index: number): void {
  const context = canvas.getContext('2d')!;
  for (const [cells, alpha] of [
    [6, 1],
    [24, 0.5],
    [96, 0.35],
    [300, 0.2],
  ] as const) {
    const key = hashKey(SEED, index, cells);
    const tile = new OffscreenCanvas(cells, cells);
    const pixels = new ImageData(cells, cells);
    for (let at = 0; at < pixels.data.length; at += 4) {
      for (let channel = 0; channel < 3; channel++)
        pixels.data[at + channel] = 60 + 140 * uniform(key, at + channel);
      pixels.data[at + 3] = 255;
    }
    tile.getContext('2d')!.putImageData(pixels, 0, 0);
    context.globalAlpha = alpha;
    context.drawImage(tile, 0, 0, canvas.width, canvas.height);
  }
  context.globalAlpha = 1;
}

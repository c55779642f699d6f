/** One photo of one person who does not exist. */
import { clipped, smoothCurve, type Canvas } from './brush.ts';
import { css } from './colour.ts';
import { drawBackdrop } from './draw_backdrop.ts';
import { drawBeard } from './draw_beard.ts';
import { drawBody, drawEars } from './draw_body.ts';
import { drawBrows, drawEyes } from './draw_eyes.ts';
import { drawGlasses } from './draw_glasses.ts';
import { drawHair, drawHairBehind, drawHairShadow } from './draw_hair.ts';
import { drawMouth, drawNose } from './draw_mouth.ts';
import { drawSkin } from './draw_skin.ts';
import { finish } from './finish.ts';
import { Head } from './head.ts';
import type { Person } from './person.ts';
import type { Photo } from './photo.ts';

export const SAMPLE_SIZE = 250;
/** Drawn larger and reduced, which smooths every edge. */
const OVERSAMPLING = 2;
/** Half a face's width, pixels of the finished picture. */
const HEAD_UNIT_PX = 49;
const EYES_Y_PX = 112;

/** @returns a 250 × 250 picture; the same for the same arguments in the same browser */
export function drawSampleFace(person: Person, photo: Photo): OffscreenCanvas {
  const size = SAMPLE_SIZE * OVERSAMPLING;
  // Drawn by the processor: a graphics driver's own rounding must not change the picture.
  const context = new OffscreenCanvas(size, size).getContext('2d', { willReadFrequently: true })!;
  drawBackdrop(context, photo, size);
  const unit = HEAD_UNIT_PX * OVERSAMPLING * photo.zoom;
  context.translate(size / 2 + photo.offsetX * OVERSAMPLING, (EYES_Y_PX + photo.offsetY) * OVERSAMPLING);
  // About the middle of the face, not the eyes.
  context.translate(0, 0.4 * unit);
  context.rotate(photo.rollRadians);
  context.translate(0, -0.4 * unit);
  context.scale(unit, unit);
  drawPerson(context, new Head(person, photo));

  const reduced = new OffscreenCanvas(SAMPLE_SIZE, SAMPLE_SIZE);
  const target = reduced.getContext('2d', { willReadFrequently: true })!;
  target.imageSmoothingQuality = 'high';
  target.drawImage(context.canvas, 0, 0, SAMPLE_SIZE, SAMPLE_SIZE);
  const image = target.getImageData(0, 0, SAMPLE_SIZE, SAMPLE_SIZE);
  finish(image, photo);
  target.putImageData(image, 0, 0);
  return reduced;
}

function drawPerson(context: Canvas, head: Head): void {
  drawHairBehind(context, head);
  drawBody(context, head);
  drawEars(context, head);
  const face = smoothCurve(head.silhouette(), true);
  context.fillStyle = css(head.person.skin);
  clipped(context, face, (context) => {
    drawSkin(context, head);
    drawHairShadow(context, head);
    drawNose(context, head);
    drawBeard(context, head);
    drawMouth(context, head);
    drawEyes(context, head);
  });
  drawBrows(context, head);
  drawGlasses(context, head);
  drawHair(context, head);
}

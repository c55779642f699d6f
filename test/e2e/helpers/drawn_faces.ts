/** Simple faces drawn on a canvas. They show nobody, but the people can be told apart. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

export interface DrawnFaces {
  readonly people: number;
  readonly photos: number;
  readonly sizePx: number;
}

/** Writes `<folder>/Person_<i>/Person_<i>_<number>.png`, as LFW names its photos. */
export async function writeDrawnFaces(
  page: Page,
  folder: string,
  { people, photos, sizePx }: DrawnFaces,
): Promise<void> {
  for (let person = 0; person < people; person++) {
    const name = `Person_${person}`;
    mkdirSync(join(folder, name), { recursive: true });
    for (let photo = 1; photo <= photos; photo++) {
      const base64 = await page.evaluate(drawFace, [person, photo, sizePx] as const);
      const file = `${name}_${String(photo).padStart(4, '0')}.png`;
      writeFileSync(join(folder, name, file), Buffer.from(base64, 'base64'));
    }
  }
}

/** Runs in the page. The person determines colours and proportions, the photo determines place and light. */
async function drawFace([person, photo, size]: readonly [number, number, number]): Promise<string> {
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext('2d')!;
  const oval = (x: number, y: number, width: number, height: number, colour: string): void => {
    context.fillStyle = colour;
    context.beginPath();
    context.ellipse(x * size, y * size, width * size, height * size, 0, 0, 2 * Math.PI);
    context.fill();
  };
  context.fillStyle = `hsl(${(person * 137 + 60) % 360} 30% ${45 + 6 * photo}%)`;
  context.fillRect(0, 0, size, size);
  const shift = 0.02 * (photo - 2);
  const wide = 0.26 + 0.02 * (person % 4);
  oval(0.5 + shift, 0.48, wide + 0.06, 0.42, `hsl(${(person * 67) % 360} 60% 25%)`);
  oval(0.5 + shift, 0.54, wide, 0.36, `hsl(${15 + 4 * person} 45% ${55 + 4 * (person % 5)}%)`);
  for (const side of [-1, 1]) {
    oval(0.5 + shift + side * 0.11, 0.47, 0.05, 0.025, 'white');
    oval(0.5 + shift + side * 0.11, 0.47, 0.02, 0.02, `hsl(${(person * 97) % 360} 60% 30%)`);
  }
  oval(0.5 + shift, 0.72, 0.06 + 0.015 * (person % 3), 0.02, 'hsl(0 50% 40%)');
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

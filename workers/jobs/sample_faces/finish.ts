/** What the camera does to the picture: focus, exposure, white balance, noise. Works on RGBA values in place. */
import { Dice } from './dice.ts';
import type { Photo } from './photo.ts';

export function finish(image: ImageData, photo: Photo): void {
  const { camera } = photo;
  if (camera.blurPx > 0.2) blur(image, camera.blurPx);
  const dice = new Dice(photo.key, 2);
  const { data, width, height } = image;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      const fromCentre = Math.hypot(x / width - 0.5, y / height - 0.5);
      const vignette = 1 - 0.32 * Math.max(0, fromCentre - 0.32) ** 1.2;
      const grain = camera.noiseLevels * (dice.next() + dice.next() + dice.next() - 1.5) * 1.6;
      for (const channel of [0, 1, 2] as const) {
        const warmth = 1 + camera.warmth * (1 - channel);
        const value = data[at + channel]! * camera.exposure * warmth * vignette;
        // The array clamps.
        data[at + channel] = 127.5 + (value - 127.5) * camera.contrast + grain;
      }
    }
}

function blur(image: ImageData, sigma: number): void {
  const radius = Math.ceil(sigma * 2.5);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, index) =>
    Math.exp(-((index - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = kernel.reduce((total, value) => total + value, 0);
  const { width, height, data } = image;
  const pass = (stride: number, count: number, lineStride: number, lines: number): void => {
    const line = new Float32Array(count * 3);
    for (let index = 0; index < lines; index++) {
      for (let at = 0; at < count; at++)
        for (let channel = 0; channel < 3; channel++)
          line[at * 3 + channel] = data[index * lineStride + at * stride + channel]!;
      for (let at = 0; at < count; at++)
        for (let channel = 0; channel < 3; channel++) {
          let value = 0;
          for (let offset = -radius; offset <= radius; offset++) {
            const from = Math.min(Math.max(at + offset, 0), count - 1);
            value += line[from * 3 + channel]! * kernel[offset + radius]!;
          }
          data[index * lineStride + at * stride + channel] = value / sum;
        }
    }
  };
  pass(4, width, width * 4, height);
  pass(width * 4, height, 4, width);
}

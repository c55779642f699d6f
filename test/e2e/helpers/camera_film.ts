/** A film for Chromium's fake camera: YUV4MPEG2 with the same picture a few times. */

const FRAMES = 5;

/** @param rgba [height, width, 4]; both sizes even */
export function cameraFilm(rgba: Uint8Array, width: number, height: number): Buffer {
  const luma = Buffer.alloc(width * height);
  const blue = Buffer.alloc((width * height) / 4);
  const red = Buffer.alloc((width * height) / 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      const [r, g, b] = [rgba[at]!, rgba[at + 1]!, rgba[at + 2]!];
      // ITU-R BT.601, limited range; a quarter of the chroma.
      luma[y * width + x] = 16 + 0.257 * r + 0.504 * g + 0.098 * b;
      if (x % 2 || y % 2) continue;
      const place = (y / 2) * (width / 2) + x / 2;
      blue[place] = 128 - 0.148 * r - 0.291 * g + 0.439 * b;
      red[place] = 128 + 0.439 * r - 0.368 * g - 0.071 * b;
    }
  const frame = [Buffer.from('FRAME\n'), luma, blue, red];
  return Buffer.concat([
    Buffer.from(`YUV4MPEG2 W${width} H${height} F5:1 Ip A1:1 C420jpeg\n`),
    ...Array.from({ length: FRAMES }, () => frame).flat(),
  ]);
}

/** Stored pixels → an upright image after the EXIF orientation, without a second copy. */
import type { RgbImage } from '../../protocol/data/images.ts';
import type { Orientation } from './structure/exif.ts';

export class UprightPixels {
  readonly image: RgbImage;
  /** The offset of the first stored pixel in the result (`#stepX`, `#stepY`: the step to the next one), bytes. */
  readonly #origin: number;
  readonly #stepX: number;
  readonly #stepY: number;

  /** @param width, height the stored size */
  constructor(width: number, height: number, orientation: Orientation) {
    const isTurned = orientation >= 5;
    const [uprightWidth, uprightHeight] = isTurned ? [height, width] : [width, height];
    const data = new Uint8Array(width * height * 3);
    this.image = { width: uprightWidth, height: uprightHeight, data };
    const rowBytes = uprightWidth * 3;
    const isRightToLeft = [2, 3, 6, 7].includes(orientation);
    const isBottomUp = [3, 4, 7, 8].includes(orientation);
    const stepAcross = isRightToLeft ? -3 : 3;
    const stepDown = isBottomUp ? -rowBytes : rowBytes;
    this.#origin = (isRightToLeft ? rowBytes - 3 : 0) + (isBottomUp ? (uprightHeight - 1) * rowBytes : 0);
    [this.#stepX, this.#stepY] = isTurned ? [stepDown, stepAcross] : [stepAcross, stepDown];
  }

  /**
   * @param left, top place of the piece in the stored image
   * @param source [height, width, pixelBytes]: red, green and blue come first
   */
  put(
    left: number,
    top: number,
    width: number,
    height: number,
    source: Uint8Array | Uint8ClampedArray,
    pixelBytes: number,
  ): void {
    const { data } = this.image;
    const stepX = this.#stepX;
    let from = 0;
    for (let y = top; y < top + height; y++) {
      let to = this.#origin + left * stepX + y * this.#stepY;
      for (let x = 0; x < width; x++, from += pixelBytes, to += stepX) {
        data[to] = source[from]!;
        data[to + 1] = source[from + 1]!;
        data[to + 2] = source[from + 2]!;
      }
    }
  }
}

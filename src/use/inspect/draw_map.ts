/** Draws the map: a dot a photo, faces where there is room for them, and people's names. */
import { identityColour } from './identity_colours.ts';
import { toScreenX, toScreenY, type MapView, type ScreenSize } from './map_view.ts';

export interface MapDrawing {
  readonly positions: Float32Array;
  readonly labels: Uint32Array;
  readonly view: MapView;
  readonly size: ScreenSize;
  /** 1: the person is meant; undefined: all are. By label. */
  readonly highlighted: Uint8Array | undefined;
  readonly isLeftOut: (row: number) => boolean;
  readonly faces: readonly { readonly row: number; readonly bitmap: ImageBitmap }[];
  readonly names: readonly {
    readonly text: string;
    readonly label: number;
    readonly x: number;
    readonly y: number;
  }[];
  readonly selected: number | undefined;
}

export interface MapStyle {
  readonly isDark: boolean;
  readonly background: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly font: string;
}

export const FACE_PX = 36;
const SELECTED_FACE_PX = 56;
const NAME_PX = 12;
const FADED_ALPHA = 0.16;

/** As the page's colours are now. */
export function readMapStyle(element: Element): MapStyle {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    isDark: matchMedia('(prefers-color-scheme: dark)').matches,
    background: colour('--surface-sunken'),
    text: colour('--text'),
    muted: colour('--text-muted'),
    accent: colour('--accent'),
    font: style.fontFamily,
  };
}

/** Dots grow a little when the map is zoomed in, and are small where there are many. */
export function dotRadius(count: number, zoom: number): number {
  const radius = count > 5000 ? 1.7 : count > 1000 ? 2.3 : 3.4;
  // In steps, so that dots drawn before serve again.
  return Math.round(4 * radius * Math.min(Math.max(zoom, 1) ** 0.25, 2.2)) / 4;
}

/** @param pixelRatio of the screen @param radius of a dot, pixels */
export function drawMap(
  context: CanvasRenderingContext2D,
  drawing: MapDrawing,
  style: MapStyle,
  pixelRatio: number,
  radius: number,
): void {
  const { size, view, positions, labels, highlighted, isLeftOut, faces, selected } = drawing;
  context.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  const isMeant = (row: number): boolean => !highlighted || highlighted[labels[row]!] === 1;
  const dots = DotSprites.of(style, pixelRatio, radius);
  // Those that are meant are drawn over the others.
  for (const pass of highlighted ? [false, true] : [true]) {
    context.globalAlpha = pass ? 1 : FADED_ALPHA;
    for (let row = 0; row < labels.length; row++) {
      if (isMeant(row) !== pass) continue;
      const x = toScreenX(view, size, positions[2 * row]!);
      const y = toScreenY(view, size, positions[2 * row + 1]!);
      if (x < -radius || y < -radius || x > size.width + radius || y > size.height + radius) continue;
      dots.draw(context, labels[row]!, isLeftOut(row), x, y);
    }
  }
  context.globalAlpha = 1;
  for (const { row, bitmap } of faces) {
    if (row === selected) continue;
    context.globalAlpha = isMeant(row) && !isLeftOut(row) ? 1 : 0.35;
    drawFace(context, drawing, style, row, bitmap, FACE_PX, identityColour(labels[row]!, style.isDark));
  }
  context.globalAlpha = 1;
  drawNames(context, drawing, style);
  if (selected === undefined) return;
  const bitmap = faces.find(({ row }) => row === selected)?.bitmap;
  if (bitmap) drawFace(context, drawing, style, selected, bitmap, SELECTED_FACE_PX, style.accent);
  else {
    context.strokeStyle = style.accent;
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(
      toScreenX(view, size, positions[2 * selected]!),
      toScreenY(view, size, positions[2 * selected + 1]!),
      radius + 4,
      0,
      2 * Math.PI,
    );
    context.stroke();
  }
}

function drawFace(
  context: CanvasRenderingContext2D,
  { positions, view, size }: MapDrawing,
  { background }: MapStyle,
  row: number,
  bitmap: ImageBitmap,
  sizePx: number,
  colour: string,
): void {
  // A closed bitmap has no size.
  if (bitmap.width === 0) return;
  const x = toScreenX(view, size, positions[2 * row]!) - sizePx / 2;
  const y = toScreenY(view, size, positions[2 * row + 1]!) - sizePx / 2;
  context.save();
  context.beginPath();
  context.roundRect(x, y, sizePx, sizePx, 6);
  context.fillStyle = background;
  context.fill();
  context.save();
  context.clip();
  context.drawImage(bitmap, x, y, sizePx, sizePx);
  context.restore();
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.stroke();
  context.restore();
}

/** Names that would cover others are left away. */
function drawNames(
  context: CanvasRenderingContext2D,
  { names, view, size }: MapDrawing,
  style: MapStyle,
): void {
  context.font = `600 ${NAME_PX}px ${style.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  const taken: { x: number; y: number; width: number }[] = [];
  for (const { text, x: mapX, y: mapY } of names) {
    const width = context.measureText(text).width + 8;
    const middle = toScreenX(view, size, mapX);
    const y = toScreenY(view, size, mapY);
    if (middle < 0 || middle > size.width || y < 0 || y > size.height) continue;
    // Whole, also at the edge.
    const x = Math.min(Math.max(middle, width / 2), Math.max(size.width - width / 2, width / 2));
    const isCovered = taken.some(
      (other) => Math.abs(other.x - x) < (other.width + width) / 2 && Math.abs(other.y - y) < NAME_PX + 4,
    );
    if (isCovered) continue;
    taken.push({ x, y, width });
    context.strokeStyle = style.background;
    context.lineWidth = 4;
    context.strokeText(text, x, y);
    context.fillStyle = style.text;
    context.fillText(text, x, y);
  }
}

/** So many hues can be told apart at best. */
const HUES = 144;

/** Dots of all colours beside each other, drawn once and then copied, which is many times faster than an arc each. */
class DotSprites {
  readonly key: string;
  readonly #sidePx: number;
  readonly #pixelRatio: number;
  readonly #picture: ImageBitmap;

  private constructor(key: string, style: MapStyle, pixelRatio: number, radius: number) {
    this.key = key;
    this.#pixelRatio = pixelRatio;
    this.#sidePx = Math.ceil((2 * radius + 2) * pixelRatio);
    const canvas = new OffscreenCanvas(this.#sidePx * (HUES + 1), this.#sidePx);
    const context = canvas.getContext('2d')!;
    const middle = this.#sidePx / 2;
    for (let hue = 0; hue <= HUES; hue++) {
      context.beginPath();
      context.arc(hue * this.#sidePx + middle, middle, radius * pixelRatio, 0, 2 * Math.PI);
      if (hue < HUES) {
        context.fillStyle = identityColour(hue, style.isDark);
        context.fill();
      } else {
        // Left out.
        context.strokeStyle = style.muted;
        context.lineWidth = pixelRatio;
        context.stroke();
      }
    }
    this.#picture = canvas.transferToImageBitmap();
  }

  /** They serve as long as neither the theme nor the zoom changes. */
  private static latest: DotSprites | undefined;

  static of(style: MapStyle, pixelRatio: number, radius: number): DotSprites {
    const key = `${style.isDark} ${style.muted} ${pixelRatio} ${radius}`;
    const { latest } = DotSprites;
    if (latest && latest.key === key) return latest;
    latest?.close();
    DotSprites.latest = new DotSprites(key, style, pixelRatio, radius);
    return DotSprites.latest;
  }

  close(): void {
    this.#picture.close();
  }

  draw(context: CanvasRenderingContext2D, label: number, isLeftOut: boolean, x: number, y: number): void {
    const from = (isLeftOut ? HUES : label % HUES) * this.#sidePx;
    const side = this.#sidePx / this.#pixelRatio;
    context.drawImage(
      this.#picture,
      from,
      0,
      this.#sidePx,
      this.#sidePx,
      x - side / 2,
      y - side / 2,
      side,
      side,
    );
  }
}

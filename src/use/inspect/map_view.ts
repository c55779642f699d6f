/** Where on the screen a map's points are: shifting, zooming, and what lies under a finger. */

/** What lies in the middle of the screen, and how many pixels one unit of the map takes. */
export interface MapView {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface ScreenSize {
  readonly width: number;
  readonly height: number;
}

const MARGIN_PX = 36;
/** Relative to the whole map. */
const SMALLEST_ZOOM = 0.5;
const LARGEST_ZOOM = 400;

/** All points in sight, with some room around them. @param positions x and y of each point */
export function fitView(positions: Float32Array, { width, height }: ScreenSize): MapView {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < positions.length; at += 2) {
    left = Math.min(left, positions[at]!);
    right = Math.max(right, positions[at]!);
    top = Math.min(top, positions[at + 1]!);
    bottom = Math.max(bottom, positions[at + 1]!);
  }
  if (!(right >= left)) return { x: 0, y: 0, scale: 1 };
  const room = (pixels: number, extent: number): number =>
    extent > 0 ? Math.max(pixels - 2 * MARGIN_PX, 1) / extent : Infinity;
  const scale = Math.min(room(width, right - left), room(height, bottom - top));
  return { x: (left + right) / 2, y: (top + bottom) / 2, scale: Number.isFinite(scale) ? scale : 1 };
}

/** The map follows the pointer by so many pixels. */
export function shiftView(view: MapView, byX: number, byY: number): MapView {
  return { ...view, x: view.x - byX / view.scale, y: view.y - byY / view.scale };
}

/**
 * Zooms around a place on the screen, which stays where it is.
 * @param fit the view of the whole map, which bounds the zoom
 */
export function zoomView(
  view: MapView,
  factor: number,
  place: { readonly x: number; readonly y: number },
  size: ScreenSize,
  fit: MapView,
): MapView {
  const scale = Math.min(Math.max(view.scale * factor, SMALLEST_ZOOM * fit.scale), LARGEST_ZOOM * fit.scale);
  const [fromMiddleX, fromMiddleY] = [place.x - size.width / 2, place.y - size.height / 2];
  return {
    x: view.x + fromMiddleX / view.scale - fromMiddleX / scale,
    y: view.y + fromMiddleY / view.scale - fromMiddleY / scale,
    scale,
  };
}

export function toScreenX(view: MapView, size: ScreenSize, x: number): number {
  return (x - view.x) * view.scale + size.width / 2;
}

export function toScreenY(view: MapView, size: ScreenSize, y: number): number {
  return (y - view.y) * view.scale + size.height / 2;
}

/** @returns the point nearest to the place; undefined where none is within `withinPx` */
export function pointAt(
  positions: Float32Array,
  view: MapView,
  size: ScreenSize,
  place: { readonly x: number; readonly y: number },
  withinPx: number,
): number | undefined {
  const x = view.x + (place.x - size.width / 2) / view.scale;
  const y = view.y + (place.y - size.height / 2) / view.scale;
  let best: number | undefined;
  let nearest = (withinPx / view.scale) ** 2;
  for (let at = 0; at < positions.length; at += 2) {
    const distance = (positions[at]! - x) ** 2 + (positions[at + 1]! - y) ** 2;
    if (distance > nearest) continue;
    nearest = distance;
    best = at / 2;
  }
  return best;
}

/**
 * Points with room for a picture: in each cell of the screen that holds few points, the first of them.
 * @param cellPx the picture's size, with some room around it
 * @param most points in a cell
 */
export function pointsWithRoom(
  positions: Float32Array,
  view: MapView,
  size: ScreenSize,
  cellPx: number,
  most: number,
): number[] {
  const columns = Math.ceil(size.width / cellPx);
  const rows = Math.ceil(size.height / cellPx);
  const counts = new Uint32Array(columns * rows);
  const firsts = new Int32Array(columns * rows).fill(-1);
  for (let at = 0; at < positions.length; at += 2) {
    const column = Math.floor(toScreenX(view, size, positions[at]!) / cellPx);
    const row = Math.floor(toScreenY(view, size, positions[at + 1]!) / cellPx);
    if (column < 0 || column >= columns || row < 0 || row >= rows) continue;
    const cell = row * columns + column;
    if (counts[cell]!++ === 0) firsts[cell] = at / 2;
  }
  return Array.from(firsts).filter((first, cell) => first >= 0 && counts[cell]! <= most);
}

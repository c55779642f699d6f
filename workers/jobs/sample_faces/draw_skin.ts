/**
 * The lit skin of the face: for every pixel the surface point that is seen there, its normal, and a soft light with
 * the redness of light that has travelled under the skin (wrapped diffuse light, more for red than for blue).
 */
import type { Canvas } from './brush.ts';
import { mix, type Colour } from './colour.ts';
import type { Head } from './head.ts';
import { hash32 } from '../../common/random.ts';

const PIXELS_PER_UNIT = 72;
const LEFT = -1.3;
const TOP = -1.65;
const WIDTH = Math.round(2.6 * PIXELS_PER_UNIT);
const HEIGHT = Math.round(3.5 * PIXELS_PER_UNIT);
const GRID_STEP = 0.025;
const GRID_COLUMNS = Math.round(2.6 / GRID_STEP) + 1;
const GRID_ROWS = Math.round(3.5 / GRID_STEP) + 1;

/** Light that reaches a point, by channel: how far round the form it wraps. */
const WRAP: Colour = [0.42, 0.26, 0.2];

export function toLinear(value: number): number {
  return (value / 255) ** 2.2;
}

function toLevel(value: number): number {
  return 255 * Math.min(Math.max(value, 0), 1) ** (1 / 2.2);
}

/** Draws the skin over the whole front; the caller clips. */
export function drawSkin(context: Canvas, head: Head): void {
  const image = new ImageData(WIDTH, HEIGHT);
  const pixels = image.data;
  const light = lightInHead(head);
  const surface = new Surface(head);
  for (let row = 0; row < HEIGHT; row++)
    for (let column = 0; column < WIDTH; column++) {
      const seen = { x: LEFT + (column + 0.5) / PIXELS_PER_UNIT, y: TOP + (row + 0.5) / PIXELS_PER_UNIT };
      const { x, y } = head.unproject(seen, surface.depth);
      const skin = skinAt(head, x, y, row * WIDTH + column);
      const [red, green, blue] = lit(head, surface, light, x, y, skin);
      const at = 4 * (row * WIDTH + column);
      pixels[at] = red;
      pixels[at + 1] = green;
      pixels[at + 2] = blue;
      pixels[at + 3] = 255;
    }
  const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
  canvas.getContext('2d', { willReadFrequently: true })!.putImageData(image, 0, 0);
  context.imageSmoothingQuality = 'high';
  context.drawImage(canvas, LEFT, TOP, WIDTH / PIXELS_PER_UNIT, HEIGHT / PIXELS_PER_UNIT);
}

/** The light's direction as the upright head sees it: the picture is rolled afterwards. */
export function lightInHead({ photo }: Head): readonly [number, number, number] {
  const [x, y, z] = photo.light.direction;
  const cos = Math.cos(-photo.rollRadians);
  const sin = Math.sin(-photo.rollRadians);
  return [x * cos - y * sin, x * sin + y * cos, z];
}

/** The head's surface on a grid, interpolated in between: the exact one is asked for a million times a picture. */
class Surface {
  readonly #depth: Float32Array;
  readonly #slopeX: Float32Array;
  readonly #slopeY: Float32Array;
  readonly #relief: Float32Array;

  constructor(head: Head) {
    const grid = (value: (x: number, y: number) => number): Float32Array =>
      Float32Array.from({ length: GRID_COLUMNS * GRID_ROWS }, (_, index) =>
        value(LEFT + (index % GRID_COLUMNS) * GRID_STEP, TOP + Math.floor(index / GRID_COLUMNS) * GRID_STEP),
      );
    this.#relief = grid((x, y) => head.reliefAt(x, y));
    this.#depth = grid((x, y) => head.baseDepth(insideOf(head, x, y), y)).map(
      (depth, index) => depth + this.#relief[index]!,
    );
    const slope = (distance: number) => (_: number, index: number) =>
      ((this.#depth[index + distance] ?? 0) - (this.#depth[index - distance] ?? 0)) / (2 * GRID_STEP);
    this.#slopeX = this.#depth.map(slope(1));
    this.#slopeY = this.#depth.map(slope(GRID_COLUMNS));
  }

  readonly depth = (x: number, y: number): number => interpolate(this.#depth, x, y);
  readonly slopeX = (x: number, y: number): number => interpolate(this.#slopeX, x, y);
  readonly slopeY = (x: number, y: number): number => interpolate(this.#slopeY, x, y);
  readonly relief = (x: number, y: number): number => interpolate(this.#relief, x, y);
}

/** Close to the outline the surface turns away at once, which would draw a dark rim. */
function insideOf(head: Head, x: number, y: number): number {
  const edge = 0.955 * Math.max(head.halfWidth(y), 0.06);
  return Math.min(Math.max(x, -edge), edge);
}

function interpolate(grid: Float32Array, x: number, y: number): number {
  const column = Math.min(Math.max((x - LEFT) / GRID_STEP, 1), GRID_COLUMNS - 2.001);
  const row = Math.min(Math.max((y - TOP) / GRID_STEP, 1), GRID_ROWS - 2.001);
  const left = Math.floor(column);
  const at = Math.floor(row) * GRID_COLUMNS + left;
  const shareX = column - left;
  const shareY = row - Math.floor(row);
  const above = grid[at]! + (grid[at + 1]! - grid[at]!) * shareX;
  const below = grid[at + GRID_COLUMNS]! + (grid[at + GRID_COLUMNS + 1]! - grid[at + GRID_COLUMNS]!) * shareX;
  return above + (below - above) * shareY;
}

function lit(
  head: Head,
  surface: Pick<Surface, 'slopeX' | 'slopeY' | 'relief'>,
  light: readonly [number, number, number],
  x: number,
  y: number,
  skin: Colour,
): Colour {
  const inside = insideOf(head, x, y);
  const slopeX = surface.slopeX(inside, y);
  const slopeY = surface.slopeY(inside, y);
  const length = Math.hypot(slopeX, slopeY, 1);
  const [nx, ny, nz] = head.turn(-slopeX / length, -slopeY / length, 1 / length);
  const facing = nx * light[0] + ny * light[1] + nz * light[2];
  // Light from all sides, a little more from above; hollows get less of it.
  const { key, ambient, colour } = head.photo.light;
  const hollow = Math.min(Math.max(1 + 2.6 * Math.min(surface.relief(x, y), 0), 0.6), 1);
  const sky = ambient * hollow * (0.84 - 0.26 * ny) * (0.62 + 0.38 * nz);
  const bounce = 0.07 * Math.max(ny, 0);
  // Half-way between the light and the viewer.
  const halfLength = Math.hypot(light[0], light[1], light[2] + 1);
  const mirrored = Math.max(0, (nx * light[0] + ny * light[1] + nz * (light[2] + 1)) / halfLength);
  const shine = (0.06 + 0.05 * head.person.skinDepth) * key * mirrored ** 22;
  const channel = (index: 0 | 1 | 2): number => {
    const wrap = WRAP[index];
    const diffuse = Math.max(0, (facing + wrap) / (1 + wrap)) ** 1.15;
    const arriving = sky + bounce + 0.86 * key * diffuse * (colour[index] / 255);
    return toLevel(toLinear(skin[index]) * arriving + shine);
  };
  return [channel(0), channel(1), channel(2)];
}

/** The skin's own colour at a place: redder cheeks, nose and ears, shadowed lids, a shaved beard, freckles, pores. */
function skinAt({ person, mouthY, noseY, chinY }: Head, x: number, y: number, pixel: number): Colour {
  const near = (dx: number, dy: number, radiusX: number, radiusY: number): number =>
    Math.exp(-(((x - dx) / radiusX) ** 2) - ((y - dy) / radiusY) ** 2);
  const side = Math.sign(x) || 1;
  const depth = person.skinDepth;
  const rosy: Colour = [person.skin[0] * 0.985, person.skin[1] * 0.77, person.skin[2] * 0.73];
  const cheeks = 0.5 * near(side * 0.58, 0.5, 0.3, 0.26) + 0.55 * near(0, noseY - 0.04, 0.16, 0.16);
  let colour = mix(person.skin, rosy, Math.min(1, cheeks * (1 - 0.45 * depth)));
  const lids = 0.34 * near(side * person.eyes.distance, person.eyes.y + 0.13, 0.22, 0.09) +
    0.26 * near(side * person.eyes.distance, person.eyes.y - 0.1, 0.25, 0.1); // prettier-ignore
  colour = mix(colour, [colour[0] * 0.76, colour[1] * 0.66, colour[2] * 0.68], lids);
  if (person.angularity > 0.5 && person.beard !== 'full') {
    const shaved =
      Math.min(1, Math.max(0, (y - noseY - 0.06) / 0.16)) * Math.min(1, Math.max(0, (chinY + 0.1 - y) / 0.2));
    const grey: Colour = [colour[0] * 0.8, colour[1] * 0.83, colour[2] * 0.87];
    const amount = person.beard === 'stubble' ? 0.75 : 0.32;
    colour = mix(colour, grey, amount * shaved * (1 - 0.8 * near(0, mouthY, 0.3, 0.1)));
  }
  if (person.freckles > 0) {
    // One possible freckle a cell of a fine grid.
    const cellX = Math.floor(x / 0.045);
    const cellY = Math.floor(y / 0.045);
    const draw = hash32((cellX * 7919 + cellY * 104729 + person.index * 31) >>> 0);
    const offsetX = ((draw & 255) / 255 - 0.5) * 0.02;
    const offsetY = (((draw >> 8) & 255) / 255 - 0.5) * 0.02;
    const distance = Math.hypot(x - (cellX + 0.5) * 0.045 - offsetX, y - (cellY + 0.5) * 0.045 - offsetY);
    const where = near(side * 0.42, 0.34, 0.34, 0.18) + 0.8 * near(0, 0.28, 0.18, 0.16);
    if (((draw >> 16) & 255) / 255 < 0.75 * where * person.freckles)
      colour = mix(colour, [168, 104, 66], 0.42 * Math.max(0, 1 - distance / 0.018));
  }
  if (person.mole) {
    const distance = Math.hypot(x - person.mole.x, y - person.mole.y);
    colour = mix(colour, [74, 44, 34], 0.8 * Math.min(1, Math.max(0, (0.026 - distance) / 0.012)));
  }
  const pores = 1 + 0.03 * ((hash32(pixel) & 255) / 255 - 0.5);
  return [colour[0] * pores, colour[1] * pores, colour[2] * pores];
}

function exactSurface(head: Head): Pick<Surface, 'slopeX' | 'slopeY' | 'relief'> {
  const step = 0.012;
  return {
    slopeX: (x, y) => (head.depth(x + step, y) - head.depth(x - step, y)) / (2 * step),
    slopeY: (x, y) => (head.depth(x, y + step) - head.depth(x, y - step)) / (2 * step),
    relief: (x, y) => head.reliefAt(x, y),
  };
}

/** How the light makes a flat part that faces the viewer look: for what is drawn on the face. */
export function flatLight(head: Head, x: number, y: number, colour: Colour): Colour {
  return lit(head, exactSurface(head), lightInHead(head), x, y, colour);
}

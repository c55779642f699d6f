/** Soft fills, smooth curves and tapered strokes on a 2D canvas whose transform maps head units to pixels. */
import { css, type Colour } from './colour.ts';

export type Canvas = OffscreenCanvasRenderingContext2D;

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Far enough that the shape itself stays outside of any canvas. */
const AWAY_PX = 8192;

/** A smooth curve through the points (Catmull–Rom as Béziers). */
export function smoothCurve(points: readonly Point[], closed = false, into = new Path2D()): Path2D {
  const count = points.length;
  const at = (index: number): Point =>
    closed ? points[(index + count) % count]! : points[Math.min(Math.max(index, 0), count - 1)]!;
  into.moveTo(at(0).x, at(0).y);
  for (let index = 0; index < (closed ? count : count - 1); index++) {
    const [a, b, c, d] = [at(index - 1), at(index), at(index + 1), at(index + 2)];
    into.bezierCurveTo(
      b.x + (c.x - a.x) / 6,
      b.y + (c.y - a.y) / 6,
      c.x - (d.x - b.x) / 6,
      c.y - (d.y - b.y) / 6,
      c.x,
      c.y,
    );
  }
  if (closed) into.closePath();
  return into;
}

export function ellipsePath(x: number, y: number, radiusX: number, radiusY: number, rotation = 0): Path2D {
  const path = new Path2D();
  path.ellipse(x, y, Math.abs(radiusX), Math.abs(radiusY), rotation, 0, 2 * Math.PI);
  return path;
}

/**
 * The path filled with edges blurred by `blur` (canvas units). A shadow without its shape: unlike the canvas's filter
 * property it works in every browser.
 */
export function softFill(context: Canvas, path: Path2D, colour: Colour, alpha: number, blur: number): void {
  drawShadowOnly(context, colour, alpha, blur, () => context.fill(path));
}

export function softStroke(
  context: Canvas,
  path: Path2D,
  colour: Colour,
  alpha: number,
  width: number,
  blur: number,
): void {
  context.lineWidth = width;
  drawShadowOnly(context, colour, alpha, blur, () => context.stroke(path));
}

function drawShadowOnly(
  context: Canvas,
  colour: Colour,
  alpha: number,
  blur: number,
  draw: () => void,
): void {
  const transform = context.getTransform();
  context.save();
  context.setTransform(
    transform.a,
    transform.b,
    transform.c,
    transform.d,
    transform.e - AWAY_PX,
    transform.f,
  );
  context.shadowOffsetX = AWAY_PX;
  context.shadowBlur = 2 * blur * Math.hypot(transform.a, transform.b);
  context.shadowColor = css(colour, alpha);
  context.fillStyle = '#000';
  context.strokeStyle = '#000';
  draw();
  context.restore();
}

/** Layers for `clipped`, by size and depth of nesting: a new canvas each time would cost more than the drawing. */
const layers: Canvas[] = [];
let layersInUse = 0;

/**
 * Draws on a layer of its own and keeps what is inside of the path. Unlike the canvas's own clipping it has smooth
 * edges in every browser.
 * @param around points that the path lies about: only that part of the layer is touched
 */
export function clipped(
  context: Canvas,
  path: Path2D,
  draw: (layer: Canvas) => void,
  around?: readonly Point[],
): void {
  const { width, height } = context.canvas;
  let layer = layers[layersInUse];
  if (layer?.canvas.width !== width || layer.canvas.height !== height) {
    layer = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
    layers[layersInUse] = layer;
  }
  layersInUse++;
  const transform = context.getTransform();
  const area = around ? pixelsAround(around, transform, width, height) : { x: 0, y: 0, width, height };
  layer.save();
  layer.beginPath();
  layer.rect(area.x, area.y, area.width, area.height);
  layer.clip();
  layer.clearRect(area.x, area.y, area.width, area.height);
  layer.setTransform(transform);
  layer.save();
  draw(layer);
  layer.restore();
  layer.globalCompositeOperation = 'destination-in';
  layer.fillStyle = '#000';
  layer.fill(path);
  layer.restore();
  layersInUse--;
  if (area.width <= 0 || area.height <= 0) return;
  context.save();
  context.resetTransform();
  const { x, y } = area;
  context.drawImage(layer.canvas, x, y, area.width, area.height, x, y, area.width, area.height);
  context.restore();
}

/** Whole pixels about the points, with room for a curve that swings out between them. */
function pixelsAround(points: readonly Point[], transform: DOMMatrix, width: number, height: number) {
  const seen = points.map(({ x, y }) => transform.transformPoint({ x, y }));
  const [xs, ys] = [seen.map(({ x }) => x), seen.map(({ y }) => y)];
  const margin = 4 + 0.15 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
  const left = Math.max(0, Math.floor(Math.min(...xs) - margin));
  const top = Math.max(0, Math.floor(Math.min(...ys) - margin));
  return {
    x: left,
    y: top,
    width: Math.min(width, Math.ceil(Math.max(...xs) + margin)) - left,
    height: Math.min(height, Math.ceil(Math.max(...ys) + margin)) - top,
  };
}

/** A stroke that is `width` wide at its start (or middle) and thins out to its end(s). */
export function taperedStroke(points: readonly Point[], width: number, bothEnds = false): Path2D {
  const left: Point[] = [];
  const right: Point[] = [];
  points.forEach((point, index) => {
    const before = points[Math.max(index - 1, 0)]!;
    const after = points[Math.min(index + 1, points.length - 1)]!;
    const dx = after.x - before.x;
    const dy = after.y - before.y;
    const length = Math.hypot(dx, dy) || 1;
    const t = index / (points.length - 1);
    const half = 0.5 * width * (bothEnds ? Math.sin(Math.PI * (0.06 + 0.88 * t)) : 1 - 0.92 * t);
    left.push({ x: point.x - (dy / length) * half, y: point.y + (dx / length) * half });
    right.unshift({ x: point.x + (dy / length) * half, y: point.y - (dx / length) * half });
  });
  return smoothCurve([...left, ...right], true);
}

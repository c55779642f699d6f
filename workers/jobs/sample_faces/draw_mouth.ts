/** Nose details and mouth: what the relief's light and shadow do not show. */
import {
  clipped,
  ellipsePath,
  smoothCurve,
  softFill,
  softStroke,
  taperedStroke,
  type Canvas,
  type Point,
} from './brush.ts';
import { css, mix, multiply, shade, type Colour } from './colour.ts';
import { flatLight, lightInHead } from './draw_skin.ts';
import type { Head } from './head.ts';

export function drawNose(context: Canvas, head: Head): void {
  const { nose, skin } = head.person;
  const { noseY } = head;
  const light = flatLight(head, 0, noseY + 0.06, [255, 255, 255]);
  const dark = multiply(mix(skin, [70, 26, 20], 0.68), light);
  const [lightX] = lightInHead(head);
  const tip = 0.32 * nose.projection;
  // The shadow that the tip throws on the lip.
  softFill(
    context,
    ellipsePath(
      head.at(-0.07 * lightX, noseY + 0.115, 0.05).x,
      head.at(0, noseY + 0.115, 0.05).y,
      nose.width * 0.62,
      0.04,
    ),
    dark,
    0.42,
    0.035,
  );
  for (const side of [-1, 1] as const) {
    const at = (x: number, y: number, lift: number): Point => head.at(side * x, noseY + y, lift);
    // The wing's edge.
    softStroke(
      context,
      smoothCurve([
        at(nose.width * 0.96, -0.1, 0.12),
        at(nose.width * 1.16, -0.01, 0.09),
        at(nose.width * 1.08, 0.07, 0.09),
        at(nose.width * 0.8, 0.088, 0.12),
      ]),
      dark,
      0.62,
      0.022,
      0.013,
    );
    const nostril = at(nose.width * 0.5, 0.07, tip * 0.72);
    softFill(
      context,
      ellipsePath(nostril.x, nostril.y, nose.width * 0.25, 0.026, side * -0.32),
      mix(dark, [26, 8, 8], 0.6),
      0.85,
      0.016,
    );
    // The side of the bridge from the brow down.
    const facesAway = side * lightX < 0;
    softStroke(
      context,
      smoothCurve([
        at(nose.bridge * 1.5, -nose.length - 0.16, 0.02),
        at(nose.bridge * 1.0, -nose.length + 0.06, 0.08),
        at(nose.bridge * 1.2, -0.2, 0.16),
      ]),
      dark,
      facesAway ? 0.3 : 0.1,
      0.05,
      0.04,
    );
  }
  const bottom = head.at(0, noseY + 0.082, tip * 0.86);
  softFill(context, ellipsePath(bottom.x, bottom.y, nose.width * 0.42, 0.018), dark, 0.36, 0.022);
  const highlight = head.at(0.035 * lightX, noseY - 0.065, tip * 1.05);
  softFill(context, ellipsePath(highlight.x, highlight.y, 0.036, 0.028), [255, 246, 238], 0.42, 0.022);
}

export function drawMouth(context: Canvas, head: Head): void {
  const { mouth } = head.person;
  const { smile, mouthOpen } = head.photo.expression;
  const w = head.mouthHalfWidth;
  const y = head.mouthY;
  const gap = 0.13 * mouthOpen;
  const light = flatLight(head, 0, y + 0.02, [255, 255, 255]);
  const lip = multiply(mouth.colour, light);
  const line = mix(multiply(mix(mouth.colour, [60, 14, 18], 0.75), light), [40, 10, 12], 0.35);
  const at = (x: number, dy: number): Point => head.at(x * w, y + dy, 0.09 * (1 - x * x));
  const corner = -0.075 * smile + 0.012;
  const upper = mouth.upper * (1 - 0.22 * Math.max(smile, 0)) + 0.02;
  const lower = mouth.lower * (1 - 0.1 * Math.max(smile, 0)) + 0.02;
  const parting = (x: number, dy = 0): Point => at(x, corner * x ** 2 + 0.012 * (1 - x * x) + dy);

  const top = [
    at(-1, corner),
    at(-0.62, corner * 0.5 - upper * 0.52),
    at(-0.2, -upper - 0.014 * mouth.bow),
    at(0, -upper + 0.03 * mouth.bow),
    at(0.2, -upper - 0.014 * mouth.bow),
    at(0.62, corner * 0.5 - upper * 0.52),
    at(1, corner),
  ];
  const upperEdge = [-1, -0.6, -0.25, 0, 0.25, 0.6, 1].map((x) =>
    parting(x, 0.3 * gap * (x * x - 1) * 0.2 + (Math.abs(x) < 0.3 ? 0.006 : 0)),
  );
  const lowerEdge = [-1, -0.6, -0.25, 0, 0.25, 0.6, 1].map((x) => parting(x, gap * (1 - x * x)));
  const bottom = [
    at(-1, corner),
    at(-0.68, corner * 0.46 + 0.6 * (lower + gap)),
    at(-0.3, lower + gap * 1.0),
    at(0, lower + gap * 1.0 + 0.008),
    at(0.3, lower + gap * 1.0),
    at(0.68, corner * 0.46 + 0.6 * (lower + gap)),
    at(1, corner),
  ];

  // The shadow below the lower lip and in the corners.
  const shadow = multiply(mix(head.person.skin, [70, 24, 20], 0.55), light);
  softStroke(
    context,
    smoothCurve(
      bottom.slice(1, -1).map((point) => ({ x: point.x * 0.94 + 0.06 * bottom[3]!.x, y: point.y + 0.045 })),
    ),
    shadow,
    0.4,
    0.04,
    0.03,
  );
  for (const end of [0, 6]) {
    const point = top[end]!;
    softFill(context, ellipsePath(point.x, point.y + 0.006, 0.035, 0.024), shadow, 0.6, 0.02);
  }
  if (gap > 0.01) {
    const inside = smoothCurve([...upperEdge, ...lowerEdge.toReversed().slice(1, -1)], true);
    softFill(context, inside, [42, 10, 12], 1, 0.006);
    clipped(context, inside, (context) => drawTeeth(context, head, light, gap), [...upperEdge, ...lowerEdge]);
  }

  const upperLip = smoothCurve([...top, ...upperEdge.toReversed().slice(1, -1)], true);
  softFill(context, upperLip, shade(lip, 0.84), 0.5, 0.014);
  clipped(
    context,
    upperLip,
    (context) => {
      const middle = at(0, 0);
      const gradient = context.createLinearGradient(0, middle.y - upper - 0.02, 0, middle.y + 0.02);
      gradient.addColorStop(0, css(shade(lip, 0.98), 0.85));
      gradient.addColorStop(1, css(shade(lip, 0.66), 0.95));
      context.fillStyle = gradient;
      context.fill(upperLip);
    },
    [...top, ...upperEdge],
  );
  const lowerLip = smoothCurve([...lowerEdge, ...bottom.toReversed().slice(1, -1)], true);
  softFill(context, lowerLip, lip, 0.5, 0.016);
  clipped(
    context,
    lowerLip,
    (context) => {
      const middle = at(0, gap);
      const gradient = context.createLinearGradient(0, middle.y, 0, middle.y + lower + 0.01);
      gradient.addColorStop(0, css(shade(lip, 0.82), 0.92));
      gradient.addColorStop(0.45, css(shade(lip, 1.08), 0.9));
      gradient.addColorStop(1, css(shade(lip, 0.8), 0.75));
      context.fillStyle = gradient;
      context.fill(lowerLip);
      const [lightX] = lightInHead(head);
      const gloss = at(0.2 * lightX, gap + 0.5 * lower);
      softFill(context, ellipsePath(gloss.x, gloss.y, w * 0.34, lower * 0.14), [255, 236, 230], 0.34, 0.02);
      context.lineWidth = 0.006;
      context.strokeStyle = css(shade(lip, 0.62), 0.22);
      for (let crease = -4; crease <= 4; crease++) {
        const from = at(crease * 0.11, gap + 0.012);
        const to = at(crease * 0.13, gap + lower * 0.86);
        context.stroke(smoothCurve([from, to]));
      }
    },
    [...lowerEdge, ...bottom],
  );
  // The line between the lips, darkest in the middle and at the ends.
  context.fillStyle = css(line, gap > 0.01 ? 0.6 : 0.9);
  context.fill(taperedStroke(upperEdge, 0.022, true));
}

function drawTeeth(context: Canvas, head: Head, light: Colour, gap: number): void {
  const w = head.mouthHalfWidth;
  const top = head.at(0, head.mouthY - 0.02, 0.06);
  const teeth = multiply([240, 234, 224], mix(light, [255, 255, 255], 0.2));
  const width = w * 0.86;
  softFill(context, ellipsePath(top.x, top.y + 0.012, width, 0.045 + gap * 0.6), teeth, 1, 0.01);
  context.lineWidth = 0.006;
  context.strokeStyle = css(shade(teeth, 0.66), 0.4);
  for (let tooth = -4; tooth <= 4; tooth++) {
    const x = top.x + Math.sin(tooth * 0.2) * 0.31;
    context.stroke(
      smoothCurve([
        { x, y: top.y - 0.02 },
        { x: x * 0.99, y: top.y + 0.03 + gap * 0.5 },
      ]),
    );
  }
  for (const side of [-1, 1])
    softFill(
      context,
      ellipsePath(top.x + side * w * 0.84, top.y + 0.03, 0.1, 0.12),
      [36, 10, 12],
      0.75,
      0.06,
    );
  // The tongue and the lower lip's shadow.
  softFill(context, ellipsePath(top.x, top.y + gap + 0.05, w * 0.5, 0.03), [120, 44, 46], 0.8, 0.02);
}

/** Eyes and brows. */
import {
  clipped,
  ellipsePath,
  smoothCurve,
  softFill,
  softStroke,
  taperedStroke,
  type Canvas,
} from './brush.ts';
import { css, mix, multiply, shade, type Colour } from './colour.ts';
import { Dice } from './dice.ts';
import { flatLight, lightInHead } from './draw_skin.ts';
import type { Head } from './head.ts';

type Side = -1 | 1;

export function drawEyes(context: Canvas, head: Head): void {
  for (const side of [-1, 1] as const) drawEye(context, head, side);
}

/** In a frame of its own: the origin in the eye's middle, x towards the temple. */
function drawEye(context: Canvas, head: Head, side: Side): void {
  const { eyes, skin, age } = head.person;
  const { expression } = head.photo;
  const x = side * eyes.distance;
  const centre = head.at(x, eyes.y, -0.05);
  const foreshortening = (head.at(x + 0.12, eyes.y).x - head.at(x - 0.12, eyes.y).x) / 0.24;
  const w = eyes.halfWidth;
  const h = eyes.height * expression.eyesOpen;
  const tilt = eyes.tilt;
  const light = flatLight(head, x, eyes.y + 0.06, [255, 255, 255]);
  const lidColour = multiply(mix(skin, [60, 26, 22], 0.74), light);
  const lineColour: Colour = mix(multiply(mix(skin, [34, 18, 16], 0.86), light), [20, 14, 14], 0.5);

  context.save();
  context.translate(centre.x, centre.y);
  context.scale(side * foreshortening, 1);

  const inner = { x: -w, y: 0.022 };
  const outer = { x: w * 1.02, y: -tilt };
  const upper = [
    inner,
    { x: -0.62 * w, y: -0.66 * h },
    { x: -0.12 * w, y: -h - 0.2 * tilt },
    { x: 0.45 * w, y: -0.86 * h - 0.6 * tilt },
    outer,
  ];
  const lower = [
    outer,
    { x: 0.52 * w, y: 0.52 * h - 0.4 * tilt },
    { x: -0.05 * w, y: 0.7 * h },
    { x: -0.6 * w, y: 0.52 * h },
    inner,
  ];
  const almond = smoothCurve([...upper, ...lower.slice(1, -1)], true);

  // The hollow above and the bag below.
  softStroke(
    context,
    smoothCurve(upper.map((point) => ({ x: point.x, y: point.y - 0.05 }))),
    lidColour,
    0.34,
    0.07,
    0.035,
  );
  softFill(context, almond, lineColour, 0.55, 0.026);

  clipped(
    context,
    almond,
    (context) => {
      const white = multiply(mix([244, 240, 238], skin, 0.13), mix(light, [255, 255, 255], 0.25));
      context.fillStyle = css(white);
      context.fillRect(-w * 1.2, -h * 2, w * 2.4, h * 4);
      context.fillStyle = css(multiply([226, 150, 140], light), 0.75);
      context.fill(ellipsePath(-w * 0.96, 0.024, w * 0.14, h * 0.3));
      softFill(context, ellipsePath(w * 1.05, 0, w * 0.26, h * 1.4), shade(white, 0.62), 0.6, 0.04);
      softFill(context, ellipsePath(-w * 1.1, 0, w * 0.26, h * 1.4), shade(white, 0.66), 0.5, 0.04);

      const radius = 0.106;
      const gazeX = -0.01 + side * 0.045 * expression.gazeX + side * 0.05 * Math.sin(head.photo.yawRadians);
      drawIris(context, head, side, gazeX, -0.1 * h + 0.03 * expression.gazeY, radius, light);

      // The upper lid's shadow on the eyeball.
      softStroke(context, smoothCurve(upper), [26, 14, 14], 0.75, 0.05, 0.016);
      softStroke(context, smoothCurve(lower), multiply([190, 120, 110], light), 0.35, 0.016, 0.008);
    },
    [...upper, ...lower],
  );

  // The lower lid's wet edge and the lash lines.
  context.lineCap = 'round';
  context.lineWidth = 0.012;
  context.strokeStyle = css(multiply(mix(skin, [236, 170, 160], 0.5), light), 0.75);
  context.stroke(smoothCurve(lower.map((point) => ({ x: point.x * 0.98, y: point.y + 0.004 }))));
  softStroke(
    context,
    smoothCurve(lower.map((point) => ({ x: point.x, y: point.y + 0.014 }))),
    lineColour,
    0.34 + 0.2 * eyes.lashes,
    0.014,
    0.008,
  );
  const lash = [
    { x: inner.x - 0.012, y: inner.y + 0.006 },
    ...upper.slice(1, -1),
    outer,
    { x: outer.x + 0.02 + 0.035 * eyes.lashes, y: outer.y - 0.004 - 0.03 * eyes.lashes },
  ];
  context.fillStyle = css(lineColour, 0.95);
  context.fill(taperedStroke(lash, 0.032 + 0.022 * eyes.lashes, true));
  drawLashes(context, head, upper, lineColour);

  // The lid's fold.
  const fold = upper.map((point, index) => ({
    x: point.x * (index === 0 ? 0.9 : 1.03),
    y: point.y - 0.03 - 0.042 * eyes.lid * Math.sin((Math.PI * (index + 0.6)) / 5),
  }));
  softStroke(context, smoothCurve(fold), lidColour, 0.75, 0.02, 0.008);
  if (age > 0.45) {
    const bag = lower.map((point) => ({ x: point.x * 0.86, y: point.y + 0.085 }));
    softStroke(context, smoothCurve(bag), lidColour, 0.34 * (age - 0.3), 0.02, 0.018);
    // Lines at the outer corner.
    for (const angle of [-0.34, 0.04, 0.42])
      softStroke(
        context,
        smoothCurve([
          { x: w * 1.28, y: angle * 0.1 },
          { x: w * 1.28 + 0.1 * Math.cos(angle), y: angle * 0.1 + 0.1 * Math.sin(angle) },
        ]),
        lidColour,
        0.3 * (age - 0.3) * (1 + Math.max(expression.smile, 0)),
        0.01,
        0.008,
      );
  }
  context.restore();
}

function drawIris(
  context: Canvas,
  head: Head,
  side: Side,
  x: number,
  y: number,
  radius: number,
  light: Colour,
): void {
  const { iris } = head.person.eyes;
  const base = multiply(iris, mix(light, [255, 255, 255], 0.4));
  const gradient = context.createRadialGradient(x, y, 0, x, y, radius);
  gradient.addColorStop(0, css(shade(base, 0.8)));
  gradient.addColorStop(0.5, css(shade(base, 1.1)));
  gradient.addColorStop(0.78, css(base));
  gradient.addColorStop(0.94, css(shade(base, 0.42)));
  gradient.addColorStop(1, css(shade(base, 0.3)));
  context.fillStyle = gradient;
  context.fill(ellipsePath(x, y, radius, radius));
  const dice = new Dice(head.person.index, side);
  context.lineWidth = 0.005;
  for (let ray = 0; ray < 30; ray++) {
    const angle = dice.between(0, 2 * Math.PI);
    const from = radius * dice.between(0.42, 0.55);
    const to = radius * dice.between(0.7, 0.9);
    context.strokeStyle = css(shade(base, dice.chance(0.5) ? 1.3 : 0.62), 0.4);
    context.beginPath();
    context.moveTo(x + from * Math.cos(angle), y + from * Math.sin(angle));
    context.lineTo(x + to * Math.cos(angle), y + to * Math.sin(angle));
    context.stroke();
  }
  // A crescent of light opposite the highlight.
  const [lightX, lightY] = lightInHead(head);
  softFill(
    context,
    ellipsePath(
      x - side * lightX * radius * 0.4,
      y - lightY * radius * 0.5 + 0.02,
      radius * 0.42,
      radius * 0.3,
    ),
    shade(base, 1.45),
    0.5,
    0.018,
  );
  context.fillStyle = css([10, 8, 9]);
  context.fill(ellipsePath(x, y, radius * 0.43, radius * 0.43));
  context.fillStyle = css([255, 255, 255], 0.95);
  context.fill(
    ellipsePath(x + side * lightX * radius * 0.45, y + Math.min(lightY, -0.3) * radius * 0.55, 0.027, 0.03),
  );
  context.fillStyle = css([255, 255, 255], 0.4);
  context.fill(ellipsePath(x - side * lightX * radius * 0.4, y + radius * 0.42, 0.014, 0.012));
}

function drawLashes(
  context: Canvas,
  { person }: Head,
  upper: readonly { readonly x: number; readonly y: number }[],
  colour: Colour,
): void {
  const { lashes } = person.eyes;
  if (lashes < 0.3) return;
  context.fillStyle = css(colour, 0.85);
  for (let index = 0; index < 11; index++) {
    const t = 0.22 + (0.78 * index) / 10;
    const place = t * (upper.length - 1);
    const [a, b] = [
      upper[Math.min(Math.floor(place), upper.length - 2)]!,
      upper[Math.min(Math.floor(place) + 1, upper.length - 1)]!,
    ];
    const share = place - Math.floor(place);
    const root = {
      x: a.x + (b.x - a.x) * (place >= upper.length - 1 ? 1 : share),
      y: a.y + (b.y - a.y) * (place >= upper.length - 1 ? 1 : share),
    };
    const length = (0.028 + 0.045 * t) * lashes;
    const lean = 0.15 + 0.75 * t;
    context.fill(
      taperedStroke(
        [
          root,
          { x: root.x + length * lean * 0.5, y: root.y - length * 0.4 },
          { x: root.x + length * lean, y: root.y - length * 0.95 },
        ],
        0.014,
      ),
    );
  }
}

export function drawBrows(context: Canvas, head: Head): void {
  const { brows, eyes } = head.person;
  const { browRaise, smile } = head.photo.expression;
  for (const side of [-1, 1] as const) {
    const y = eyes.y - brows.lift - 0.035 * browRaise + 0.01 * smile;
    const along = (t: number): { x: number; y: number } => {
      const x = eyes.distance - 0.265 + 0.585 * t;
      const rise = brows.arch * Math.sin(Math.PI * Math.min(t * 0.82, 1) ** 1.25);
      return { x, y: y - rise + brows.slope * (0.5 - t) + 0.03 * t ** 3 + 0.02 };
    };
    const thickness = (t: number): number =>
      brows.thickness * (t < 0.18 ? 0.72 + 1.5 * t : 1 - 0.72 * ((t - 0.18) / 0.82) ** 1.5);
    const place = (t: number, across: number) => {
      const { x, y: height } = along(t);
      return head.at(side * x, height + across * thickness(t), 0.03);
    };
    const light = flatLight(head, side * eyes.distance, y, [255, 255, 255]);
    const colour = multiply(brows.colour, mix(light, [255, 255, 255], 0.2));
    const steps = [0, 0.15, 0.35, 0.55, 0.78, 1];
    const body = smoothCurve(
      [...steps.map((t) => place(t, -0.5)), ...steps.toReversed().map((t) => place(t, 0.5))],
      true,
    );
    softFill(context, body, colour, 0.62 * brows.density, 0.018);
    const dice = new Dice(head.person.index, side, 77);
    for (let hair = 0; hair < 64; hair++) {
      const t = dice.next() ** 0.9;
      const start = dice.between(-0.2, 0.6);
      const length = dice.between(0.05, 0.095);
      const up = dice.between(0.5, 1.1) * (1 - 0.85 * t);
      context.fillStyle = css(shade(colour, dice.between(0.6, 1.12)), 0.6 * brows.density);
      context.fill(
        taperedStroke(
          [
            place(t, start),
            place(Math.min(t + length * 0.7, 1.03), start - up * 0.4),
            place(Math.min(t + length * 1.5, 1.06), start - up * 0.55),
          ],
          0.018,
        ),
      );
    }
  }
}

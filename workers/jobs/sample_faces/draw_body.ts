/** Neck, shoulders, clothes and ears. */
import { clipped, ellipsePath, smoothCurve, softFill, softStroke, type Canvas, type Point } from './brush.ts';
import { css, mix, multiply, shade, type Colour } from './colour.ts';
import { flatLight, lightInHead } from './draw_skin.ts';
import { hairShape } from './hair_field.ts';
import type { Head } from './head.ts';

export function drawBody(context: Canvas, head: Head): void {
  const { person, photo } = head;
  const neckWidth = 0.47 + 0.13 * person.angularity;
  // The body turns less than the head.
  const shift = 0.2 * Math.sin(photo.yawRadians);
  const base = head.chinY + 0.45;
  const skin = multiply(person.skin, flatLight(head, 0, 0.9, [236, 228, 224]));
  const neck = (side: number): Point[] => [
    { x: shift + side * neckWidth, y: 0.7 },
    { x: shift + side * (neckWidth - 0.02), y: head.chinY + 0.12 },
    { x: shift + side * (neckWidth + 0.06), y: base - 0.12 },
    { x: shift + side * (neckWidth + 0.5), y: base + 0.14 },
    { x: shift + side * (neckWidth + 1.2), y: base + 0.5 },
  ];
  const neckPath = smoothCurve(
    [
      ...neck(-1).toReversed(),
      ...neck(1),
      { x: shift + 1.2, y: base + 1.4 },
      { x: shift - 1.2, y: base + 1.4 },
    ],
    true,
  );
  const [lightX] = lightInHead(head);
  context.fillStyle = css(skin);
  context.fill(neckPath);
  clipped(context, neckPath, (context) => {
    const gradient = context.createLinearGradient(shift - neckWidth - 0.1, 0, shift + neckWidth + 0.1, 0);
    const dark = shade(mix(skin, [90, 40, 30], 0.25), 0.55);
    gradient.addColorStop(0, css(dark, lightX < 0 ? 0.25 : 0.8));
    gradient.addColorStop(0.3, css(dark, 0.1));
    gradient.addColorStop(0.7, css(dark, 0.1));
    gradient.addColorStop(1, css(dark, lightX > 0 ? 0.25 : 0.8));
    context.fillStyle = gradient;
    context.fillRect(-3, 0, 6, 5);
    // The head's shadow.
    const shadow = smoothCurve(
      [-0.85, -0.5, 0, 0.5, 0.85].map((x) => ({
        x: x + shift - 0.1 * lightX,
        y: head.chinY + 0.3 - 0.5 * x * x,
      })),
    );
    softStroke(context, shadow, mix(shade(skin, 0.3), [50, 20, 16], 0.4), 0.7, 0.5, 0.14);
    for (const side of [-1, 1])
      softStroke(
        context,
        smoothCurve([
          { x: shift + side * 0.42, y: head.chinY + 0.1 },
          { x: shift + side * 0.24, y: base + 0.12 },
          { x: shift + side * 0.1, y: base + 0.26 },
        ]),
        shade(skin, 1.25),
        0.25,
        0.07,
        0.05,
      );
  });
  drawClothes(context, head, shift, base, neckWidth);
}

function drawClothes(context: Canvas, head: Head, shift: number, base: number, neckWidth: number): void {
  const { clothing, clothingColour } = head.photo;
  const colour = multiply(clothingColour, flatLight(head, 0, 1.1, [240, 240, 240]));
  const dip =
    clothing === 'v-neck' ? 0.62 : clothing === 'jacket' ? 0.75 : clothing === 'shirt' ? 0.34 : 0.22;
  const collar: Point[] =
    clothing === 'v-neck' || clothing === 'jacket'
      ? [
          { x: shift - neckWidth - 0.1, y: base - 0.06 },
          { x: shift - 0.32, y: base + dip * 0.56 },
          { x: shift, y: base + dip },
          { x: shift + 0.32, y: base + dip * 0.56 },
          { x: shift + neckWidth + 0.1, y: base - 0.06 },
        ]
      : [
          { x: shift - neckWidth - 0.14, y: base - 0.05 },
          { x: shift - 0.5, y: base + dip * 0.72 },
          { x: shift, y: base + dip },
          { x: shift + 0.5, y: base + dip * 0.72 },
          { x: shift + neckWidth + 0.14, y: base - 0.05 },
        ];
  if (clothing === 'jacket') {
    // A shirt below it.
    const shirt = smoothCurve(
      [
        { x: shift - neckWidth - 0.1, y: base - 0.04 },
        { x: shift, y: base + 0.26 },
        { x: shift + neckWidth + 0.1, y: base - 0.04 },
        { x: shift + 0.9, y: base + 1.6 },
        { x: shift - 0.9, y: base + 1.6 },
      ],
      true,
    );
    context.fillStyle = css(multiply([232, 232, 236], flatLight(head, 0, 1.1, [240, 240, 240])));
    context.fill(shirt);
  }
  const shoulder = (side: number): Point[] => [
    { x: shift + side * (neckWidth + 0.75), y: base + 0.2 },
    { x: shift + side * (neckWidth + 1.35), y: base + 0.52 },
    { x: shift + side * (neckWidth + 1.75), y: base + 1.1 },
    { x: shift + side * (neckWidth + 1.9), y: base + 2.2 },
  ];
  const body = smoothCurve([...collar, ...shoulder(1), ...shoulder(-1).toReversed()], true);
  const [lightX] = lightInHead(head);
  context.fillStyle = css(colour);
  context.fill(body);
  clipped(context, body, (context) => {
    const gradient = context.createLinearGradient(-2.4, 0, 2.4, 0);
    gradient.addColorStop(0, css(shade(colour, lightX < 0 ? 1.16 : 0.45), 0.85));
    gradient.addColorStop(0.5, css(colour, 0));
    gradient.addColorStop(1, css(shade(colour, lightX > 0 ? 1.16 : 0.45), 0.85));
    context.fillStyle = gradient;
    context.fillRect(-4, 0, 8, 6);
    for (const side of [-1, 1]) {
      const fold = smoothCurve([
        { x: shift + side * (neckWidth + 0.5), y: base + 0.2 },
        { x: shift + side * (neckWidth + 0.42), y: base + 0.7 },
        { x: shift + side * (neckWidth + 0.1), y: base + 1.4 },
      ]);
      softStroke(context, fold, shade(colour, 0.4), 0.5, 0.1, 0.09);
    }
  });
  const edge = smoothCurve(collar);
  softStroke(context, edge, shade(colour, 0.3), 0.6, 0.06, 0.03);
  context.lineWidth = 0.05;
  context.strokeStyle = css(shade(colour, 1.12));
  if (clothing === 'tee' || clothing === 'v-neck') context.stroke(edge);
  if (clothing === 'shirt' || clothing === 'jacket') drawLapels(context, colour, shift, base, neckWidth, dip);
}

function drawLapels(
  context: Canvas,
  colour: Colour,
  shift: number,
  base: number,
  neckWidth: number,
  dip: number,
): void {
  for (const side of [-1, 1]) {
    const path = new Path2D();
    path.moveTo(shift + side * (neckWidth + 0.16), base - 0.12);
    path.lineTo(shift + side * 0.02, base + dip);
    path.lineTo(shift + side * 0.36, base + dip + 0.22);
    path.lineTo(shift + side * (neckWidth + 0.34), base + 0.12);
    path.closePath();
    softFill(context, path, shade(colour, 0.3), 0.6, 0.05);
    context.fillStyle = css(shade(colour, 1.1));
    context.fill(path);
  }
}

export function drawEars(context: Canvas, head: Head): void {
  const { person } = head;
  if (hairShape(head).hangsTo !== undefined) return;
  for (const side of [-1, 1] as const) {
    const size = person.ears.size;
    const centre = head.project(
      side * (person.face.cheekWidth + 0.035 + 0.03 * person.ears.flare),
      0.2,
      -0.12,
    );
    // The ear of the side that turns away disappears behind the cheek by itself; the other one opens.
    const width = 0.135 * size * (1 - 0.9 * side * Math.sin(head.photo.yawRadians));
    const facing = side * lightInHead(head)[0];
    const skin = multiply(
      mix(person.skin, [person.skin[0], person.skin[1] * 0.82, person.skin[2] * 0.78], 0.7),
      flatLight(head, side * 0.7, 0.2, facing > 0 ? [245, 235, 230] : [214, 200, 196]),
    );
    const outline = smoothCurve(
      [
        { x: -0.5, y: -0.62 },
        { x: 0.1, y: -0.98 },
        { x: 0.82, y: -0.72 },
        { x: 0.9, y: -0.1 },
        { x: 0.52, y: 0.46 },
        { x: 0.3, y: 0.92 },
        { x: -0.3, y: 0.88 },
        { x: -0.6, y: 0.3 },
      ].map(({ x, y }) => ({ x: centre.x + side * width * x, y: centre.y + 0.29 * size * y })),
      true,
    );
    context.fillStyle = css(skin);
    context.fill(outline);
    const dark = mix(shade(skin, 0.5), [100, 40, 30], 0.25);
    clipped(
      context,
      outline,
      (context) => {
        softFill(
          context,
          ellipsePath(centre.x + side * width * 0.1, centre.y - 0.02, width * 0.42, 0.14 * size),
          dark,
          0.8,
          0.03,
        );
        softStroke(
          context,
          smoothCurve([
            { x: centre.x - side * width * 0.2, y: centre.y - 0.2 * size },
            { x: centre.x + side * width * 0.45, y: centre.y - 0.2 * size },
            { x: centre.x + side * width * 0.55, y: centre.y + 0.02 },
            { x: centre.x + side * width * 0.25, y: centre.y + 0.14 * size },
          ]),
          dark,
          0.6,
          0.03,
          0.015,
        );
        softFill(
          context,
          ellipsePath(centre.x - side * width * 0.75, centre.y + 0.1, width * 0.6, 0.4),
          dark,
          0.7,
          0.05,
        );
      },
      [
        { x: centre.x - width, y: centre.y - 0.3 * size },
        { x: centre.x + width, y: centre.y + 0.3 * size },
      ],
    );
  }
}

/** Glasses: frame, its shadow on the face, a gleam on the lenses. */
import { clipped, smoothCurve, softStroke, type Canvas, type Point } from './brush.ts';
import { css, mix, shade } from './colour.ts';
import { lightInHead } from './draw_skin.ts';
import type { Head } from './head.ts';

export function drawGlasses(context: Canvas, head: Head): void {
  const { glasses, glassesColour, eyes } = head.person;
  if (glasses === 'none') return;
  const centreX = eyes.distance + 0.01;
  const centreY = eyes.y + 0.05;
  const [w, h, squareness] =
    glasses === 'round'
      ? [0.315, 0.285, 2]
      : glasses === 'rectangular'
        ? [0.35, 0.225, 4]
        : [0.345, 0.245, 2.8];
  const rim = (side: number): Point[] =>
    Array.from({ length: 20 }, (_, index) => {
      const angle = (2 * Math.PI * index) / 20;
      const bend = (value: number): number => Math.sign(value) * Math.abs(value) ** (2 / squareness);
      const x = side * (centreX + w * bend(Math.cos(angle)));
      return head.project(x, centreY + h * bend(Math.sin(angle)), 1.0 - 0.2 * x * x);
    });
  const [lightX] = lightInHead(head);
  const shadow = shade(head.person.skin, 0.3);
  const lenses = [-1, 1].map((side) => smoothCurve(rim(side), true));
  const bridge = smoothCurve(
    [-1, 0, 1].map((t) => head.project(t * (centreX - w + 0.01), centreY - 0.06 - 0.04 * (1 - t * t), 1.0)),
  );
  const arms = [-1, 1].map((side) =>
    smoothCurve([
      head.project(side * (centreX + w - 0.01), centreY - h * 0.35, 0.85),
      head.project(side * 0.98 * head.person.face.cheekWidth, centreY - h * 0.35, 0.4),
      head.project(side * 1.02 * head.person.face.cheekWidth, centreY - h * 0.3, 0.1),
    ]),
  );
  context.save();
  context.translate(-0.03 * lightX, 0.045);
  for (const part of [...lenses, bridge]) softStroke(context, part, shadow, 0.45, 0.05, 0.028);
  context.restore();
  lenses.forEach((lens, index) =>
    clipped(
      context,
      lens,
      (context) => {
        context.fillStyle = css([225, 236, 248], 0.07);
        context.fillRect(-2, -2, 4, 4);
        context.fillStyle = css([255, 255, 255], 0.1);
        context.beginPath();
        const from = lightX > 0 ? 0.35 : -0.65;
        for (const offset of [0, centreX * 2]) {
          context.moveTo(from + offset - 0.3, centreY - 0.4);
          context.lineTo(from + offset - 0.1, centreY - 0.4);
          context.lineTo(from + offset - 0.4, centreY + 0.4);
          context.lineTo(from + offset - 0.6, centreY + 0.4);
        }
        context.fill();
      },
      rim(index === 0 ? -1 : 1),
    ),
  );
  context.lineCap = 'round';
  context.lineJoin = 'round';
  const width = glasses === 'browline' ? 0.03 : glasses === 'round' ? 0.036 : 0.044;
  for (const [extra, colour] of [
    [0.012, shade(glassesColour, 0.6)],
    [0, glassesColour],
    [-width * 0.62, mix(glassesColour, [255, 255, 255], 0.4)],
  ] as const) {
    context.lineWidth = width + extra;
    context.strokeStyle = css(colour, extra < 0 ? 0.4 : 1);
    for (const part of [...lenses, bridge]) context.stroke(part);
    if (extra >= 0) for (const part of arms) context.stroke(part);
  }
  if (glasses !== 'browline') return;
  context.lineWidth = 0.075;
  context.strokeStyle = css(shade(glassesColour, 0.85));
  for (const side of [-1, 1]) context.stroke(smoothCurve(rim(side).slice(11, 20)));
}

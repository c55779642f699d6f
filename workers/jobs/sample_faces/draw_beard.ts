/** Beards: short hairs over a soft tone. */
import { smoothCurve, softFill, taperedStroke, type Canvas, type Point } from './brush.ts';
import { css, mix, multiply, shade } from './colour.ts';
import { Dice } from './dice.ts';
import { flatLight } from './draw_skin.ts';
import type { Head } from './head.ts';

/** Drawn before the mouth. */
export function drawBeard(context: Canvas, head: Head): void {
  const { beard, hair, skin } = head.person;
  if (beard === 'none') return;
  const light = flatLight(head, 0, 1.1, [255, 255, 255]);
  const colour = multiply(mix(shade(hair.colour, 0.9), skin, 0.08), light);
  const dice = new Dice(head.person.index, 9);
  const areas = beardAreas(head);
  if (beard !== 'stubble')
    for (const area of areas) softFill(context, smoothCurve(area.outline, true), colour, 0.8, 0.06);
  for (const area of areas) {
    const count = beard === 'stubble' ? area.hairs * 0.8 : area.hairs;
    const length = beard === 'stubble' ? 0.022 : 0.085;
    for (let index = 0; index < count; index++) {
      const { x, y } = area.place(dice);
      const across = dice.around(0.4) + Math.sign(x) * 0.25;
      const stretch = length * dice.between(0.6, 1.25);
      const points: Point[] = [0, 0.5, 1].map((t) =>
        head.at(x + stretch * across * t, y + stretch * t, 0.05 + 0.02 * t),
      );
      context.fillStyle = css(shade(colour, dice.between(0.5, 1.25)), beard === 'stubble' ? 0.5 : 0.7);
      context.fill(taperedStroke(points, beard === 'stubble' ? 0.016 : 0.02));
    }
  }
}

interface Area {
  readonly outline: Point[];
  readonly hairs: number;
  place(dice: Dice): Point;
}

function beardAreas(head: Head): Area[] {
  const { beard } = head.person;
  const { mouthY, noseY, chinY, mouthHalfWidth } = head;
  const moustache: Area = {
    outline: [
      head.at(-mouthHalfWidth * 1.02, mouthY + 0.01, 0.05),
      head.at(-0.2, mouthY - 0.14, 0.08),
      head.at(0, noseY + 0.17, 0.1),
      head.at(0.2, mouthY - 0.14, 0.08),
      head.at(mouthHalfWidth * 1.02, mouthY + 0.01, 0.05),
      head.at(0, mouthY - 0.05, 0.08),
    ],
    hairs: 190,
    place(dice) {
      const x = dice.between(-1, 1);
      const top = noseY + 0.13 + 0.1 * x * x;
      return { x: x * mouthHalfWidth * 0.95, y: top + (mouthY - 0.09 - top) * dice.next() };
    },
  };
  const chin: Area = {
    outline: [
      head.at(-mouthHalfWidth * 0.85, mouthY + 0.12, 0.05),
      head.at(0, mouthY + 0.2, 0.08),
      head.at(mouthHalfWidth * 0.85, mouthY + 0.12, 0.05),
      head.at(0.3, chinY - 0.06),
      head.at(0, chinY + 0.02),
      head.at(-0.3, chinY - 0.06),
    ],
    hairs: 220,
    place(dice) {
      const t = dice.next();
      return {
        x: dice.between(-1, 1) * (0.3 + 0.06 * (1 - t)),
        y: mouthY + 0.2 + (chinY - mouthY - 0.22) * t,
      };
    },
  };
  if (beard === 'moustache') return [moustache];
  if (beard === 'goatee') return [moustache, chin];
  const upper = mouthY - 0.12;
  const cheekLine = (x: number): number =>
    0.34 + (upper - 0.34) * Math.min(1, Math.max(0, (0.98 - Math.abs(x)) / 0.52)) ** 0.75;
  const jaw: Area = {
    outline: [
      ...[-0.93, -0.8, -0.62, -0.45].map((x) => head.at(x, cheekLine(x))),
      head.at(-0.36, mouthY + 0.1, 0.04),
      head.at(0, mouthY + 0.22, 0.06),
      head.at(0.36, mouthY + 0.1, 0.04),
      ...[0.45, 0.62, 0.8, 0.93].map((x) => head.at(x, cheekLine(x))),
      ...[0.9, 0.6, 0.25, -0.25, -0.6, -0.9].map((share) => {
        const y = chinY + 0.02 - 0.56 * Math.abs(share) ** 1.6;
        return head.at(share * Math.min(1, head.halfWidth(y) + 0.02), y);
      }),
    ],
    hairs: 620,
    place(dice) {
      const x = dice.between(-0.95, 0.95);
      const low = chinY + 0.02 - 0.62 * Math.abs(x) ** 1.7;
      const high = Math.abs(x) < 0.34 ? mouthY + 0.2 : cheekLine(x);
      return { x: x * 0.97, y: high + (low - high) * dice.next() };
    },
  };
  return [jaw, moustache];
}

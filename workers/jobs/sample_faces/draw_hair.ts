/** Hair: a soft mass, then strands over it whose light follows the form of the head. */
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
import { Dice } from './dice.ts';
import { lightInHead } from './draw_skin.ts';
import {
  curl,
  fringeStrand,
  HairField,
  partedStrand,
  shortStrand,
  sweptStrand,
  type StrandMaker,
} from './hair_field.ts';
import type { Head } from './head.ts';

const FRINGE_Y = -0.47;

/** What lies behind face and neck. */
export function drawHairBehind(context: Canvas, head: Head): void {
  const { style } = head.person.hair;
  if (style === 'bald') return;
  const field = new HairField(head);
  const dark = shade(hairColour(head), 0.5);
  const { hangsTo } = field.shape;
  if (hangsTo !== undefined) {
    const left = [1, 0.97, 0.85, 0.7, 0.5, 0.3, 0.1].map((share) =>
      field.hanging(-1, share, share === 1 ? 0.5 : 1, 0),
    );
    const cap = [-0.9, -0.6, -0.3, 0, 0.3, 0.6, 0.9].map((along) => field.seen(along, 0.97));
    const right = [0.1, 0.3, 0.5, 0.7, 0.85, 0.97, 1].map((share) =>
      field.hanging(1, share, share === 1 ? 0.5 : 1, 0),
    );
    const mass = smoothCurve([...left, ...cap, ...right], true);
    softFill(context, mass, dark, 1, 0.02);
    context.fillStyle = css(dark);
    context.fill(mass);
    const dice = new Dice(head.person.index, 5);
    paintStrands(context, head, dice, 140, 0.03, 0.5, 0.62, (draws) => {
      const side = draws.chance(0.5) ? 1 : -1;
      const inward = draws.between(0.35, 1);
      return [0.1, 0.35, 0.6, 0.85, 1].map((share) => {
        const { x, y } = field.hanging(side, share * draws.between(0.98, 1), 0.9, inward * 3);
        return { x: x * inward, y };
      });
    });
    return;
  }
  const cap = Array.from({ length: 15 }, (_, index) => field.seen(-1 + index / 7, 0.97));
  context.fillStyle = css(dark);
  context.fill(smoothCurve([...cap, field.seen(0.9, -0.4), field.seen(-0.9, -0.4)], true));
  if (style === 'bun') drawBun(context, head);
}

function drawBun(context: Canvas, head: Head): void {
  const centre = head.project(0, -1.72, -0.25);
  const colour = hairColour(head);
  const path = ellipsePath(centre.x, centre.y, 0.42, 0.34);
  softFill(context, path, shade(colour, 0.6), 1, 0.02);
  context.fillStyle = css(shade(colour, 0.62));
  context.fill(path);
  const dice = new Dice(head.person.index, 6);
  paintStrands(context, head, dice, 130, 0.018, 0.75, 1, (draws) => {
    const tilt = draws.between(-0.9, 0.9);
    const bend = draws.between(-0.9, 0.95);
    return [-1, -0.6, -0.2, 0.2, 0.6, 1].map((t) => {
      const wide = 0.41 * Math.sqrt(1 - 0.8 * bend * bend) * t;
      const high = 0.32 * bend * (1 - 0.25 * t * t) - 0.1 * (1 - t * t);
      return {
        x: centre.x + wide * Math.cos(tilt * 0.3) - high * Math.sin(tilt * 0.3),
        y: centre.y + wide * Math.sin(tilt * 0.3) + high,
      };
    });
  });
}

/** The shadow that the hair throws on the face: before eyes and brows are drawn. */
export function drawHairShadow(context: Canvas, head: Head): void {
  const { style } = head.person.hair;
  if (style === 'bald' || style === 'receding') return;
  const field = new HairField(head);
  const [lightX] = lightInHead(head);
  const tone = mix(shade(head.person.skin, 0.4), [50, 24, 18], 0.5);
  const edge = Array.from({ length: 13 }, (_, index) => {
    const point = field.seen(-1 + index / 6, 0.0);
    return { x: point.x - 0.05 * lightX, y: point.y + 0.045 };
  });
  softStroke(context, smoothCurve(edge), tone, style === 'crop' ? 0.35 : 0.6, 0.13, 0.06);
  if (style === 'fringe') {
    const line = Array.from({ length: 9 }, (_, index) => {
      const x = -0.8 + index * 0.2;
      const point = head.at(x, FRINGE_Y + 0.32 * Math.abs(x / 1.25) ** 2.2, 0.02);
      return { x: point.x - 0.04 * lightX, y: point.y + 0.05 };
    });
    softStroke(context, smoothCurve(line), tone, 0.6, 0.14, 0.05);
  }
  if (field.shape.hangsTo !== undefined)
    for (const side of [-1, 1] as const) {
      const line = [0.02, 0.2, 0.4, 0.6, 0.8].map((share) => {
        const { x, y } = field.hanging(side, share, 0.05, 0);
        return { x: x - 0.04 * lightX, y };
      });
      softStroke(context, smoothCurve(line), tone, 0.55, 0.16, 0.07);
    }
}

export function drawHair(context: Canvas, head: Head): void {
  const { style, part } = head.person.hair;
  const field = new HairField(head);
  const dice = new Dice(head.person.index, 3);
  const { strands } = field.shape;
  switch (style) {
    case 'bald':
      paintStrands(context, head, dice, strands, 0.016, 0.4, 0.9, shortStrand(field, 0.7));
      return;
    case 'crop':
      fillCap(context, field, 0.9);
      paintStrands(context, head, dice, strands, 0.02, 0.6, 1, shortStrand(field));
      return;
    case 'side-part':
      fillCap(context, field, 1);
      paintStrands(context, head, dice, strands, 0.034, 0.72, 1, partedStrand(field, part));
      shine(context, head, field, dice, partedStrand(field, part));
      return;
    case 'swept-back':
    case 'bun':
      fillCap(context, field, 1);
      paintStrands(
        context,
        head,
        dice,
        strands,
        0.03,
        0.72,
        1,
        sweptStrand(field, style === 'bun' ? 0.15 : 0.55),
      );
      shine(context, head, field, dice, sweptStrand(field, 0.4));
      return;
    case 'receding':
      fillCap(context, field, 0.6);
      paintStrands(context, head, dice, strands, 0.022, 0.55, 1, sweptStrand(field, 0.1));
      return;
    case 'curls':
    case 'afro': {
      fillCap(context, field, 1);
      const radius = style === 'afro' ? 0.062 : 0.105;
      const count = style === 'afro' ? 1100 : 520;
      paintStrands(context, head, dice, count / 2, 0.03, 0.6, 0.72, curl(field, radius * 1.2), false);
      paintStrands(context, head, dice, count, 0.02, 0.8, 1.08, curl(field, radius), false);
      return;
    }
    case 'long-straight':
    case 'long-wavy':
    case 'bob':
      fillCap(context, field, 1);
      fillHanging(context, field);
      paintStrands(
        context,
        head,
        dice,
        520,
        0.036,
        0.72,
        1,
        partedStrand(field, style === 'bob' ? part : part * 0.5),
      );
      shine(context, head, field, dice, partedStrand(field, part * 0.5));
      return;
    case 'fringe': {
      fillCap(context, field, 1);
      if (field.shape.hangsTo !== undefined) fillHanging(context, field);
      paintStrands(context, head, dice, 420, 0.034, 0.72, 1, partedStrand(field, 0.02));
      paintStrands(context, head, dice, 80, 0.1, 0.95, 0.66, fringeStrand(field, FRINGE_Y));
      paintStrands(context, head, dice, 260, 0.026, 0.7, 0.95, fringeStrand(field, FRINGE_Y));
      return;
    }
  }
}

/** The hair's colour under the photo's light. */
function hairColour(head: Head): Colour {
  const { key, ambient, colour } = head.photo.light;
  return multiply(shade(head.person.hair.colour, Math.min(0.55 + 0.35 * key + 0.25 * ambient, 1.1)), colour);
}

function fillCap(context: Canvas, field: HairField, alpha: number): void {
  const contour = Array.from({ length: 15 }, (_, index) => field.seen(-1 + index / 7, 0.98));
  const hairline = Array.from({ length: 15 }, (_, index) => field.seen(1 - index / 7, 0.03));
  const outline = smoothCurve([...contour, ...hairline], true);
  const base = shade(hairColour(field.head), 0.56);
  softFill(context, outline, base, alpha, 0.03);
  context.fillStyle = css(base, alpha);
  context.fill(outline);
}

function fillHanging(context: Canvas, field: HairField): void {
  const base = shade(hairColour(field.head), 0.54);
  for (const side of [-1, 1] as const) {
    const shares = [0, 0.15, 0.3, 0.5, 0.7, 0.85, 0.97];
    const path = smoothCurve(
      [
        ...shares.map((share) => field.hanging(side, share, 0.12, 0)),
        ...shares.toReversed().map((share) => field.hanging(side, share, 0.95, 0)),
      ],
      true,
    );
    softFill(context, path, base, 1, 0.03);
    context.fillStyle = css(base);
    context.fill(path);
  }
}

/**
 * @param count of strands
 * @param tone over the strands' brightness
 */
function paintStrands(
  context: Canvas,
  head: Head,
  dice: Dice,
  count: number,
  width: number,
  alpha: number,
  tone: number,
  make: StrandMaker,
  tapers = true,
): void {
  const colour = hairColour(head);
  context.lineCap = 'round';
  context.lineJoin = 'round';
  for (let index = 0; index < count; index++) {
    const points = make(dice);
    const middle = points[Math.floor(points.length / 2)]!;
    const brightness = tone * (0.6 + 0.5 * lightOnHair(head, middle)) * dice.between(0.68, 1.3);
    // Every tenth strand is a fine light one.
    const fine = dice.chance(0.1);
    const strandColour = css(
      fine
        ? mix(shade(colour, Math.min(brightness * 1.25, 1.5)), [255, 240, 220], 0.08)
        : shade(colour, Math.min(brightness, 1.35)),
      alpha * dice.between(0.5, 1),
    );
    const strandWidth = width * dice.between(0.45, 1.1) * (fine ? 0.4 : 1);
    if (tapers) {
      context.fillStyle = strandColour;
      context.fill(taperedStroke(points, strandWidth, true));
    } else {
      context.strokeStyle = strandColour;
      context.lineWidth = strandWidth;
      context.stroke(smoothCurve(points));
    }
  }
}

/** 0 … 1: how much of the key light falls on the hair at a place of the picture. */
function lightOnHair(head: Head, { x, y }: Point): number {
  const nx = x / 1.35;
  const ny = (y + 0.35) / 1.5;
  const nz = Math.sqrt(Math.max(0.06, 1 - nx * nx - ny * ny));
  const [lx, ly, lz] = lightInHead(head);
  return Math.max(0, (nx * lx + ny * ly + nz * lz + 0.25) / 1.25);
}

/** The band of reflected light round the crown. */
function shine(context: Canvas, head: Head, field: HairField, dice: Dice, make: StrandMaker): void {
  const [lightX] = lightInHead(head);
  const band = Array.from({ length: 7 }, (_, index) =>
    field.seen(-0.5 + 0.165 * index + 0.15 * lightX, 0.5, 0.25),
  );
  const path = taperedStroke(band, 0.26, true);
  const colour = mix(shade(hairColour(head), 1.3), [255, 244, 228], 0.2);
  clipped(context, path, (context) => {
    context.fillStyle = css(colour, 0.13);
    for (let index = 0; index < 130; index++) context.fill(taperedStroke(make(dice), 0.02, true));
  });
}

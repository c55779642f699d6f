/**
 * Where hair grows and how it falls. The scalp is a sheet: `along` runs from the left ear (−1) over the crown (0) to
 * the right ear (1), `across` from the hairline (0) to the outer contour (1). A strand is a line on or below that sheet.
 */
import type { Point } from './brush.ts';
import type { Dice } from './dice.ts';
import type { Head } from './head.ts';
import type { HairStyle } from './person.ts';

export interface HairShape {
  /** How far the contour stands off the skull at the crown and at the sides. */
  readonly top: number;
  readonly side: number;
  /** Added to the hairline's height: negative is higher. */
  readonly hairline: number;
  /** How far the temples recede. */
  readonly recession: number;
  /** Where hanging hair ends (y), or undefined for short hair. */
  readonly hangsTo: number | undefined;
  readonly wave: number;
  readonly strands: number;
}

export function hairShape(head: Head): HairShape {
  const { hair, angularity } = head.person;
  const { volume, hairline } = hair;
  const base: HairShape = {
    top: 0.1 + 0.12 * volume,
    side: 0.06 + 0.06 * volume,
    hairline,
    recession: 0.05 * angularity,
    hangsTo: undefined,
    wave: 0,
    strands: 360,
  };
  const shapes: Record<HairStyle, Partial<HairShape>> = {
    'side-part': {},
    'swept-back': { top: 0.16 + 0.14 * volume, side: 0.03 + 0.03 * volume, hairline: hairline - 0.05 },
    crop: { top: 0.05 + 0.04 * volume, side: 0.02, strands: 900 },
    curls: { top: 0.2 + 0.14 * volume, side: 0.14 + 0.1 * volume },
    afro: { top: 0.36 + 0.26 * volume, side: 0.34 + 0.24 * volume, hairline: hairline - 0.05 },
    'long-straight': { hangsTo: 2.2, side: 0.1 + 0.05 * volume, recession: 0 },
    'long-wavy': {
      hangsTo: 2.15,
      wave: 0.055,
      side: 0.15 + 0.09 * volume,
      top: 0.14 + 0.12 * volume,
      recession: 0,
    },
    bob: { hangsTo: 1.12 + 0.3 * volume, side: 0.12 + 0.07 * volume, recession: 0 },
    fringe: { hangsTo: angularity < 0.5 ? 1.9 : undefined, side: 0.08 + 0.06 * volume },
    bun: { top: 0.06, side: 0.03, hairline: hairline - 0.03, recession: 0 },
    receding: { top: 0.05, side: 0.045, hairline: hairline - 0.22, recession: 0.24, strands: 320 },
    bald: { top: 0, side: 0.03, strands: 380 },
  };
  return { ...base, ...shapes[hair.style] };
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

export class HairField {
  readonly head: Head;
  readonly shape: HairShape;

  constructor(head: Head) {
    this.head = head;
    this.shape = hairShape(head);
  }

  /** A place on the sheet; `lift` moves it off the head, outwards in the picture. */
  place(along: number, across: number, lift = 0): Place {
    const hairline = this.#hairline(along);
    const contour = this.#contour(along);
    const share = across;
    const out = 0.22 * Math.sin(Math.PI * Math.min(Math.max(across, 0), 1)) + lift;
    const angle = along * 1.75;
    return {
      x: hairline.x + (contour.x - hairline.x) * share + 0.25 * out * Math.sin(angle),
      y: hairline.y + (contour.y - hairline.y) * share - 0.25 * out * Math.cos(angle),
      z: hairline.z + (contour.z - hairline.z) * share,
    };
  }

  seen(along: number, across: number, lift = 0): Point {
    const { x, y, z } = this.place(along, across, lift);
    return this.head.project(x, y, z);
  }

  /** Hair below the ears: `share` 0 at the ear … 1 at the tips, `across` 0 next to the face … 1 outside. */
  hanging(side: -1 | 1, share: number, across: number, phase: number): Point {
    const { side: stand, wave, hangsTo } = this.shape;
    const end = hangsTo ?? 0;
    const start = this.place(side, across);
    const y = start.y + (end - start.y) * share;
    const turnsIn = end < 1.6 ? 0.34 * share ** 4 : -0.12 * share;
    const wide =
      0.92 +
      (0.12 + 1.2 * stand) * (0.35 + 0.65 * across) +
      0.12 * Math.sin(Math.PI * Math.min(share * 1.1, 1)) * across -
      turnsIn;
    const blend = Math.min(1, share * 3);
    const ripple = wave * Math.sin(7.2 * share * (end - start.y) * 0.62 + phase) * Math.min(1, share * 2.2);
    return this.head.project(
      start.x * (1 - blend) + side * (wide + ripple) * blend,
      y,
      start.z * (1 - share) + 0.18 * share,
    );
  }

  #contour(along: number): Place {
    const angle = along * 1.95;
    const { top, side } = this.shape;
    const width = 1.0 * this.head.person.face.cheekWidth + side;
    const height = 1.0 + top;
    return {
      x: width * Math.sin(angle) * (1 + 0.02 * Math.cos(2 * angle)),
      y: -0.42 - height * Math.cos(angle),
      z: -0.06,
    };
  }

  #hairline(along: number): Place {
    const { hairline, recession } = this.shape;
    const { cheekWidth } = this.head.person.face;
    const u = Math.min(Math.abs(along), 1);
    const table: readonly (readonly [number, number, number, number])[] = [
      [0, 0, -0.98 + hairline, 0.82],
      [0.28, 0.36, -0.97 + hairline - 0.4 * recession, 0.76],
      [0.52, 0.7, -0.84 + 0.6 * hairline - recession, 0.55],
      [0.72, 0.87 * cheekWidth, -0.52 - 0.5 * recession, 0.3],
      [0.86, 0.9 * cheekWidth, -0.26, 0.2],
      [1, 0.97 * cheekWidth, 0.06, 0.12],
    ];
    const next = Math.max(
      1,
      table.findIndex(([at]) => at >= u),
    );
    const [a, b] = [table[next - 1]!, table[next]!];
    const raw = (u - a[0]) / (b[0] - a[0]);
    const share = raw * raw * (3 - 2 * raw) * 0.5 + raw * 0.5;
    const mixed = (index: 1 | 2 | 3): number => a[index] + (b[index] - a[index]) * share;
    return { x: Math.sign(along) * mixed(1), y: mixed(2), z: mixed(3) };
  }
}

export type StrandMaker = (dice: Dice) => Point[];

const STEPS = [0, 0.12, 0.28, 0.45, 0.62, 0.8, 1];

/** From the parting along the sheet to the sides, and further down where the hair is long. */
export function partedStrand(field: HairField, part: number): StrandMaker {
  return (dice) => {
    const toRight = dice.next() < (1 - part) / 2;
    const side = toRight ? 1 : -1;
    const root = dice.next() ** 0.85;
    const phase = dice.between(-0.5, 0.5) + 2.2 * root;
    const { hangsTo, wave } = field.shape;
    const end = hangsTo === undefined ? side * dice.between(0.72, 1) : side;
    const drift = dice.around(0.1);
    const cap = STEPS.map((t) => {
      const along = part + (end - part) * t ** 0.92;
      const across =
        root + drift * t + (hangsTo === undefined ? 0.06 * Math.sin(Math.PI * t) * (1 - root) : 0);
      const ripple = wave * 0.5 * Math.sin(6 * t + phase) * t;
      return field.seen(
        along,
        Math.min(across + ripple, 1.04),
        0.28 * Math.sin(Math.PI * Math.min(t * 1.6, 1)) * (1 - root * 0.5),
      );
    });
    if (hangsTo === undefined) return cap;
    const across = Math.min(Math.max(root + drift, -0.05), 1.05);
    const length = dice.between(0.86, 1);
    const falls = [0.1, 0.22, 0.36, 0.5, 0.64, 0.78, 0.9, 1].map((t) =>
      field.hanging(side, t * length, across, phase),
    );
    return [...cap.slice(0, -1), ...falls];
  };
}

/** From the hairline back over the crown. */
export function sweptStrand(field: HairField, lift: number): StrandMaker {
  return (dice) => {
    const along = dice.between(-1, 1);
    const lean = dice.around(0.06) + 0.05 * along;
    const from = dice.next() ** 1.6 * 0.6 - 0.02;
    const to = dice.between(0.75, 1.02);
    return [0, 0.25, 0.5, 0.75, 1].map((t) =>
      field.seen(
        Math.min(Math.max(along + lean * t, -1), 1),
        from + (to - from) * t,
        lift * Math.sin(Math.PI * Math.min(0.15 + t, 1)) * (1 - Math.abs(along) ** 2),
      ),
    );
  };
}

/** From the crown down over the forehead. */
export function fringeStrand(field: HairField, fringeY: number): StrandMaker {
  return (dice) => {
    const along = dice.around(0.72);
    const root = field.place(along * 0.55, 0.86);
    const hairline = field.place(along, 0.1, 0.3);
    const tipX = 1.36 * along + dice.around(0.06);
    const tipY = fringeY + dice.around(0.07) + 0.42 * Math.abs(along) ** 1.7;
    const { head } = field;
    return [
      head.project(root.x, root.y, root.z),
      head.project((root.x + hairline.x) / 2, (root.y + hairline.y) / 2 - 0.07, 0.5),
      head.project(hairline.x, hairline.y - 0.04, 0.86),
      head.project((hairline.x + tipX) / 2, (hairline.y + tipY) / 2, 0.96 - 0.3 * along * along),
      head.project(tipX, tipY, 0.94 - 0.42 * along * along),
    ];
  };
}

/** A short hair anywhere on the sheet, combed forward and to the sides. */
export function shortStrand(field: HairField, from = 0): StrandMaker {
  return (dice) => {
    const side = dice.chance(0.5) ? 1 : -1;
    const along = side * dice.between(from, 1);
    const across = dice.next();
    const length = dice.between(0.07, 0.13);
    const lean = 0.05 * side * (0.3 + Math.abs(along));
    return [0, 0.5, 1].map((t) =>
      field.seen(
        Math.min(Math.max(along + lean * t, -1), 1),
        Math.max(across - length * t, -0.03),
        0.1 * (1 - t),
      ),
    );
  };
}

/** A curl: one and a bit turns of a small, open spiral. */
export function curl(field: HairField, radius: number): StrandMaker {
  return (dice) => {
    const along = dice.between(-1, 1);
    const across = dice.between(0.02, 1);
    const centre = field.seen(along, across);
    const size = radius * dice.between(0.65, 1.3);
    const start = dice.between(0, 2 * Math.PI);
    const turn = (dice.chance(0.5) ? 1 : -1) * dice.between(4.2, 6.6);
    const squeeze = dice.between(0.6, 1);
    return Array.from({ length: 9 }, (_, index) => {
      const t = index / 8;
      const angle = start + turn * t;
      const reach = size * (1 - 0.45 * t);
      return {
        x: centre.x + reach * Math.cos(angle),
        y: centre.y + squeeze * reach * Math.sin(angle) + 0.05 * t,
      };
    });
  };
}

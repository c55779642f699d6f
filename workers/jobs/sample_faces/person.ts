/** What makes a drawn person: the same in each of their photos. Lengths are in half face widths. */
import { RandomStream } from '../../common/random.ts';
import { alongRamp, mix, shade, type Colour } from './colour.ts';
import { Dice, spread } from './dice.ts';

export type HairStyle =
  | 'side-part'
  | 'swept-back'
  | 'crop'
  | 'curls'
  | 'afro'
  | 'long-straight'
  | 'long-wavy'
  | 'bob'
  | 'fringe'
  | 'bun'
  | 'receding'
  | 'bald';

export type Beard = 'none' | 'stubble' | 'full' | 'moustache' | 'goatee';
export type Glasses = 'none' | 'round' | 'rectangular' | 'browline';

export interface Person {
  readonly index: number;
  /** 0: soft features … 1: angular ones. */
  readonly angularity: number;
  /** 0: young … 1: old. */
  readonly age: number;
  readonly skin: Colour;
  /** 0: the lightest skin … 1: the darkest. */
  readonly skinDepth: number;
  readonly freckles: number;
  readonly face: {
    readonly length: number;
    readonly foreheadWidth: number;
    readonly cheekWidth: number;
    readonly jawWidth: number;
    readonly chinWidth: number;
    readonly cheekbones: number;
  };
  readonly ears: { readonly size: number; readonly flare: number };
  readonly eyes: {
    readonly distance: number;
    readonly y: number;
    readonly halfWidth: number;
    readonly height: number;
    /** Of the outer corner, upwards. */
    readonly tilt: number;
    readonly lid: number;
    readonly lashes: number;
    readonly iris: Colour;
  };
  readonly brows: {
    readonly lift: number;
    readonly thickness: number;
    readonly arch: number;
    readonly slope: number;
    readonly density: number;
    readonly colour: Colour;
  };
  readonly nose: {
    readonly length: number;
    readonly width: number;
    readonly bridge: number;
    readonly projection: number;
  };
  readonly mouth: {
    readonly y: number;
    readonly halfWidth: number;
    readonly upper: number;
    readonly lower: number;
    readonly bow: number;
    readonly colour: Colour;
  };
  readonly hair: {
    readonly style: HairStyle;
    readonly colour: Colour;
    readonly volume: number;
    /** The side of the parting: −1 … 1. */
    readonly part: number;
    readonly hairline: number;
  };
  readonly beard: Beard;
  readonly glasses: Glasses;
  readonly glassesColour: Colour;
  /** A mole on the cheek, or none. */
  readonly mole: { readonly x: number; readonly y: number } | undefined;
}

const SKIN: readonly Colour[] = [
  [250, 220, 202],
  [240, 202, 176],
  [226, 178, 144],
  [201, 148, 111],
  [164, 113, 80],
  [122, 82, 60],
  [96, 64, 50],
];

const DARK_HAIR: readonly Colour[] = [
  [30, 25, 25],
  [44, 32, 28],
  [64, 44, 34],
];
const LIGHT_HAIR: readonly Colour[] = [
  [48, 34, 28],
  [86, 58, 40],
  [122, 82, 54],
  [134, 66, 40],
  [190, 102, 54],
  [186, 146, 92],
  [222, 190, 136],
];
const GREY_HAIR: readonly Colour[] = [
  [120, 118, 118],
  [176, 174, 172],
  [222, 220, 216],
];

const BROWN_EYES: readonly Colour[] = [
  [62, 38, 24],
  [92, 58, 34],
  [124, 84, 46],
];
const LIGHT_EYES: readonly Colour[] = [
  [96, 128, 82],
  [88, 132, 160],
  [70, 112, 158],
  [118, 132, 136],
  [136, 106, 58],
];

const STYLES_FEMININE: readonly HairStyle[] = ['long-straight', 'bob', 'long-wavy', 'bun', 'curls', 'fringe'];
const STYLES_MASCULINE: readonly HairStyle[] = [
  'side-part',
  'crop',
  'swept-back',
  'curls',
  'receding',
  'bald',
  'fringe',
];

export function samplePerson(seed: number, index: number): Person {
  const dice = new Dice(RandomStream.sampleFaces, seed, index);
  const series = new Dice(RandomStream.sampleFaces, seed);
  const place = (step?: number): number => spread(index, series.next(), step);

  const skinDepth = place();
  const masculine = (index + (seed & 1)) % 2 === 1;
  const angularity = masculine ? dice.between(0.5, 1) : dice.between(0, 0.5);
  const age = place(0.7548776662466927) ** 1.4;
  const skin = mix(
    alongRamp(SKIN, skinDepth),
    dice.pick([
      [236, 170, 140],
      [222, 178, 130],
    ] as const),
    dice.between(0, 0.1),
  );
  const hairColour = pickHairColour(dice, skinDepth, age, place(0.5698402909980532));
  const styleList = masculine ? STYLES_MASCULINE : STYLES_FEMININE;
  let style = styleList[Math.floor(index / 2 + series.next() * styleList.length) % styleList.length]!;
  if (style === 'curls' && skinDepth > 0.62) style = 'afro';
  const hasLightEyes = skinDepth < 0.5 && dice.chance(0.65);
  const beard: Beard = masculine
    ? (['none', 'stubble', 'full', 'none', 'moustache', 'goatee'] as const)[
        Math.floor(index / 2 + series.next() * 6) % 6
      ]!
    : 'none';
  const glasses: Glasses = dice.chance(0.3)
    ? dice.pick(['round', 'rectangular', 'browline'] as const)
    : 'none';
  const soft = 1 - angularity;
  return {
    index,
    angularity,
    age,
    skin,
    skinDepth,
    freckles: skinDepth < 0.35 && dice.chance(0.4) ? dice.between(0.4, 1) : 0,
    face: {
      length: 1 + dice.around(0.085) + 0.015 * angularity,
      foreheadWidth: 0.86 + dice.around(0.06),
      cheekWidth: 0.985 + dice.around(0.05),
      jawWidth: 0.765 + 0.1 * angularity + dice.around(0.075),
      chinWidth: 0.35 + 0.12 * angularity + dice.around(0.08),
      cheekbones: dice.between(0.3, 1),
    },
    ears: { size: dice.between(0.88, 1.12), flare: dice.between(0, 1) },
    eyes: {
      distance: 0.445 + dice.around(0.045),
      y: 0.0 + dice.around(0.03),
      halfWidth: 0.222 + 0.02 * soft + dice.around(0.022),
      height: 0.096 + 0.028 * soft + dice.around(0.026) - 0.012 * age,
      tilt: dice.around(0.04) + 0.016 * soft,
      lid: dice.between(0.15, 1),
      lashes: masculine ? dice.between(0, 0.25) : dice.between(0.55, 1),
      iris: hasLightEyes ? dice.pick(LIGHT_EYES) : alongRamp(BROWN_EYES, dice.next()),
    },
    brows: {
      lift: 0.255 + 0.03 * soft + dice.around(0.03),
      thickness: 0.056 + 0.03 * angularity + dice.around(0.018),
      arch: 0.05 + 0.05 * soft + dice.around(0.04),
      slope: dice.around(0.05),
      density: dice.between(0.6, 1),
      colour:
        age > 0.72 ? mix(hairColour, [110, 104, 100], 0.5) : shade(mix(hairColour, [50, 36, 28], 0.45), 0.85),
    },
    nose: {
      length: 0.57 + dice.around(0.055) + 0.02 * angularity,
      width: 0.185 + 0.05 * skinDepth + 0.015 * angularity + dice.around(0.03),
      bridge: 0.095 + 0.02 * angularity + dice.around(0.02),
      projection: 0.92 + dice.around(0.22),
    },
    mouth: {
      y: 0.93 + dice.around(0.03),
      halfWidth: 0.355 + dice.around(0.05),
      upper: 0.06 + 0.022 * soft + 0.025 * skinDepth + dice.around(0.02),
      lower: 0.088 + 0.024 * soft + 0.025 * skinDepth + dice.around(0.022),
      bow: dice.between(0.25, 1),
      colour: mix(
        skin,
        masculine
          ? [176, 92, 84]
          : dice.pick([
              [190, 70, 78],
              [200, 92, 92],
              [166, 62, 74],
            ] as const),
        masculine ? 0.45 : 0.62,
      ),
    },
    hair: {
      style,
      colour: hairColour,
      volume: dice.between(0, 1),
      part: (dice.chance(0.5) ? 1 : -1) * dice.between(0.15, 0.6),
      hairline: dice.around(0.07) - (masculine ? 0.04 * age : 0),
    },
    beard,
    glasses,
    glassesColour: dice.pick([
      [34, 30, 32],
      [92, 56, 34],
      [120, 122, 128],
      [58, 66, 96],
      [132, 46, 50],
    ] as const),
    mole: dice.chance(0.18)
      ? { x: (dice.chance(0.5) ? 1 : -1) * dice.between(0.4, 0.6), y: dice.between(0.42, 0.66) }
      : undefined,
  };
}

function pickHairColour(dice: Dice, skinDepth: number, age: number, place: number): Colour {
  const natural = alongRamp(skinDepth > 0.48 ? DARK_HAIR : LIGHT_HAIR, place);
  if (age < 0.62) return natural;
  const grey = alongRamp(GREY_HAIR, dice.next() * 0.6 + (age - 0.62));
  return mix(natural, grey, Math.min(1, (age - 0.55) * 2.2));
}

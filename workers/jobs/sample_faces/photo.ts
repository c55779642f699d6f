/** What makes a drawn photo of a person: pose, light, expression, surroundings, camera. */
import { RandomStream } from '../../common/random.ts';
import { fromHsl, type Colour } from './colour.ts';
import { Dice } from './dice.ts';

export type Backdrop = 'studio' | 'foliage' | 'street' | 'room' | 'sky';
export type Clothing = 'tee' | 'shirt' | 'v-neck' | 'jacket';

export interface Photo {
  /** For everything that is drawn by chance in this photo. */
  readonly key: number;
  readonly rollRadians: number;
  /** Positive: the face turns to the right of the picture. */
  readonly yawRadians: number;
  /** Positive: the face looks down. */
  readonly pitchRadians: number;
  readonly zoom: number;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly light: {
    /** Towards the light: right, down, to the viewer; of length 1. */
    readonly direction: readonly [number, number, number];
    readonly key: number;
    readonly ambient: number;
    readonly colour: Colour;
  };
  readonly expression: {
    /** −0.2: serious … 1: a broad smile. */
    readonly smile: number;
    readonly mouthOpen: number;
    readonly browRaise: number;
    readonly eyesOpen: number;
    readonly gazeX: number;
    readonly gazeY: number;
  };
  readonly backdrop: Backdrop;
  readonly backdropColour: Colour;
  readonly clothing: Clothing;
  readonly clothingColour: Colour;
  readonly camera: {
    readonly blurPx: number;
    readonly noiseLevels: number;
    readonly exposure: number;
    readonly contrast: number;
    readonly warmth: number;
  };
}

export const MAXIMUM_ROLL_RADIANS = (10 * Math.PI) / 180;
export const MAXIMUM_YAW_RADIANS = (20 * Math.PI) / 180;

export function samplePhoto(seed: number, person: number, index: number): Photo {
  // Offset by one: a person's own traits are drawn from the key without a photo.
  const dice = new Dice(RandomStream.sampleFaces, seed, person, index + 1);
  const azimuth = dice.between(-1.15, 1.15);
  const elevation = dice.between(0.1, 0.8);
  const smiles = dice.chance(0.65);
  const smile = smiles ? dice.between(0.25, 1) : dice.between(-0.2, 0.2);
  const clothingHue = dice.between(0, 360);
  return {
    key: Math.floor(dice.next() * 0x1000000),
    rollRadians: dice.around(MAXIMUM_ROLL_RADIANS),
    yawRadians: dice.around(MAXIMUM_YAW_RADIANS),
    pitchRadians: dice.around(0.12),
    zoom: dice.between(0.94, 1.06),
    offsetX: dice.around(5),
    offsetY: dice.around(5),
    light: {
      direction: [
        Math.sin(azimuth) * Math.cos(elevation),
        -Math.sin(elevation),
        Math.cos(azimuth) * Math.cos(elevation),
      ],
      key: dice.between(0.72, 1),
      ambient: dice.between(0.3, 0.46),
      colour: dice.pick([
        [255, 250, 242],
        [255, 240, 220],
        [255, 232, 204],
        [240, 246, 255],
      ] as const),
    },
    expression: {
      smile,
      mouthOpen:
        smiles && smile > 0.45 && dice.chance(0.7) ? dice.between(0.35, 1) : dice.chance(0.12) ? 0.25 : 0,
      browRaise: dice.around(0.7),
      eyesOpen: dice.between(0.86, 1.1) - 0.14 * Math.max(smile, 0),
      gazeX: dice.around(0.5),
      gazeY: dice.around(0.25),
    },
    backdrop: dice.pick(['studio', 'foliage', 'street', 'room', 'sky'] as const),
    backdropColour: fromHsl(dice.between(0, 360), dice.between(0.06, 0.3), dice.between(0.35, 0.75)),
    clothing: dice.pick(['tee', 'shirt', 'v-neck', 'jacket'] as const),
    clothingColour: fromHsl(clothingHue, dice.between(0.08, 0.5), dice.between(0.18, 0.62)),
    camera: {
      blurPx: dice.chance(0.3) ? dice.between(0.5, 1.1) : dice.between(0, 0.35),
      noiseLevels: dice.between(0.8, 4),
      exposure: dice.between(0.9, 1.1),
      contrast: dice.between(0.92, 1.08),
      warmth: dice.around(0.07),
    },
  };
}

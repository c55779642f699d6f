/**
 * The head as a surface: an outline of the front, a depth over it, and the relief of nose, sockets, lips and cheeks.
 * Head units: the origin between the eyes, half a face's width long; x to the right of the picture, y down, z to the
 * viewer. Turning the head shifts what is nearer more, which is all the perspective there is.
 */
import type { Point } from './brush.ts';
import type { Person } from './person.ts';
import type { Photo } from './photo.ts';

interface Bump {
  readonly x: number;
  readonly y: number;
  readonly radiusX: number;
  readonly radiusY: number;
  readonly height: number;
}

const TABLE_TOP = -1.6;
const TABLE_STEP = 0.01;

export class Head {
  readonly person: Person;
  readonly photo: Photo;
  readonly chinY: number;
  readonly mouthY: number;
  readonly noseY: number;
  readonly mouthHalfWidth: number;
  readonly #bumps: readonly Bump[];
  readonly #halfWidths: Float64Array;
  readonly #cosYaw: number;
  readonly #sinYaw: number;
  readonly #cosPitch: number;
  readonly #sinPitch: number;

  constructor(person: Person, photo: Photo) {
    this.person = person;
    this.photo = photo;
    this.#cosYaw = Math.cos(photo.yawRadians);
    this.#sinYaw = Math.sin(photo.yawRadians);
    this.#cosPitch = Math.cos(photo.pitchRadians);
    this.#sinPitch = Math.sin(photo.pitchRadians);
    const { smile, mouthOpen } = photo.expression;
    this.noseY = person.eyes.y + person.nose.length;
    this.mouthY = person.mouth.y - 0.015 * smile;
    this.mouthHalfWidth = person.mouth.halfWidth * (1 + 0.2 * smile);
    this.chinY = 1.5 * person.face.length + 0.07 * mouthOpen;
    this.#halfWidths = widthTable(this.#frontOutline());
    this.#bumps = relief(this);
  }

  /** Half the width of the front at a height. */
  halfWidth(y: number): number {
    const last = this.#halfWidths.length - 1;
    const at = Math.min(Math.max((y - TABLE_TOP) / TABLE_STEP, 0), last);
    const index = Math.min(Math.floor(at), last - 1);
    const [above, below] = [this.#halfWidths[index]!, this.#halfWidths[index + 1]!];
    return above + (below - above) * (at - index);
  }

  /** Depth without the relief. */
  baseDepth(x: number, y: number): number {
    const sideways = Math.min(Math.abs(x) / Math.max(this.halfWidth(y), 0.05), 0.995);
    const upwards = Math.min(Math.abs((y + 0.05) / (y < -0.05 ? 1.56 : 1.95)), 0.97);
    return 0.95 * Math.sqrt(1 - upwards ** 2.6) * (1 - sideways ** 2.4) ** 0.56;
  }

  depth(x: number, y: number): number {
    return this.baseDepth(x, y) + this.reliefAt(x, y);
  }

  reliefAt(x: number, y: number): number {
    let height = 0;
    for (const bump of this.#bumps) {
      const dx = (x - bump.x) / bump.radiusX;
      const dy = (y - bump.y) / bump.radiusY;
      const distance = dx * dx + dy * dy;
      if (distance < 9) height += bump.height * Math.exp(-distance);
    }
    return height;
  }

  /** Where a point of the head is seen. */
  project(x: number, y: number, z: number): Point {
    const turnedZ = z * this.#cosYaw - x * this.#sinYaw;
    return { x: x * this.#cosYaw + z * this.#sinYaw, y: y * this.#cosPitch + turnedZ * this.#sinPitch };
  }

  /** Where a point of the surface is seen, `lift` above the skin. */
  at(x: number, y: number, lift = 0): Point {
    return this.project(x, y, this.baseDepth(x, y) + lift);
  }

  /**
   * The inverse of `project` on the surface: which x and y of the head is seen at a place.
   * @param depth the surface's depth; `this.depth` or an approximation of it
   */
  unproject(seen: Point, depth: (x: number, y: number) => number): Point {
    let x = seen.x;
    let y = seen.y;
    for (let round = 0; round < 4; round++) {
      const z = depth(x, y);
      x = (seen.x - z * this.#sinYaw) / this.#cosYaw;
      y = (seen.y - (z * this.#cosYaw - x * this.#sinYaw) * this.#sinPitch) / this.#cosPitch;
    }
    return { x, y };
  }

  /** A normal of the head as it points in the picture. */
  turn(x: number, y: number, z: number): readonly [number, number, number] {
    const turnedX = x * this.#cosYaw + z * this.#sinYaw;
    const turnedZ = z * this.#cosYaw - x * this.#sinYaw;
    return [
      turnedX,
      y * this.#cosPitch + turnedZ * this.#sinPitch,
      turnedZ * this.#cosPitch - y * this.#sinPitch,
    ];
  }

  /** The silhouette of the face as it is seen, clockwise from the crown. */
  silhouette(): Point[] {
    return this.#frontOutline().map(({ x, y }) => {
      // The further down, the nearer the silhouette lies: jaw and chin turn more than the temples.
      const down = Math.min(Math.max((y - 0.2) / (this.chinY - 0.2), 0), 1);
      return this.project(x, y, 0.12 + 0.42 * down ** 1.4);
    });
  }

  #frontOutline(): Point[] {
    const { face } = this.person;
    const right: Point[] = [
      { x: 0.44, y: -1.335 },
      { x: 0.92 * face.foreheadWidth, y: -1.03 },
      { x: 1.1 * face.foreheadWidth, y: -0.64 },
      { x: 0.995 * face.cheekWidth, y: -0.25 },
      { x: face.cheekWidth, y: 0.1 },
      { x: 0.55 * face.cheekWidth + 0.47 * face.jawWidth, y: 0.56 },
      { x: face.jawWidth, y: 0.97 * face.length },
      {
        x: 0.52 * face.jawWidth + 0.48 * face.chinWidth,
        y: 0.5 * this.chinY + 0.5 * 0.97 * face.length + 0.05,
      },
      { x: 0.93 * face.chinWidth, y: this.chinY - 0.075 },
      { x: 0.5 * face.chinWidth, y: this.chinY - 0.012 },
    ];
    return [
      { x: 0, y: -1.43 },
      ...right,
      { x: 0, y: this.chinY },
      ...right.toReversed().map(({ x, y }) => ({ x: -x, y })),
    ];
  }
}

/** Half widths by height from the outline's right side, linear between its points. */
function widthTable(outline: readonly Point[]): Float64Array {
  const right = outline.filter(({ x }) => x >= 0).sort((a, b) => a.y - b.y);
  const count = Math.ceil((1.7 - TABLE_TOP) / TABLE_STEP);
  const raw = Float64Array.from({ length: count }, (_, index) => {
    const y = TABLE_TOP + index * TABLE_STEP;
    const next = right.findIndex((point) => point.y > y);
    if (next <= 0) return 0.05;
    const [above, below] = [right[next - 1]!, right[next]!];
    return above.x + ((below.x - above.x) * (y - above.y)) / (below.y - above.y);
  });
  // The outline is drawn as a curve: take the corners off here too.
  const reach = 8;
  return raw.map((_, index) => {
    let sum = 0;
    for (let offset = -reach; offset <= reach; offset++)
      sum += raw[Math.min(Math.max(index + offset, 0), count - 1)]!;
    return sum / (2 * reach + 1);
  });
}

function relief(head: Head): Bump[] {
  const { person, photo, noseY, mouthY, mouthHalfWidth, chinY } = head;
  const { eyes, nose, mouth, face, angularity, age } = person;
  const smile = Math.max(photo.expression.smile, 0);
  const both = (bump: Bump): Bump[] => [bump, { ...bump, x: -bump.x }];
  const bridge = Array.from({ length: 6 }, (_, index): Bump => {
    const t = index / 5;
    return {
      x: 0,
      y: eyes.y - 0.06 + t * (nose.length - 0.06),
      radiusX: nose.bridge * (1.05 + 0.45 * t),
      radiusY: 0.16,
      height: nose.projection * (0.042 + 0.075 * t),
    };
  });
  return [
    ...bridge,
    { x: 0, y: noseY - 0.04, radiusX: 0.135, radiusY: 0.13, height: 0.17 * nose.projection },
    ...both({ x: nose.width * 0.86, y: noseY + 0.0, radiusX: 0.088, radiusY: 0.095, height: 0.12 }),
    ...both({ x: eyes.distance - 0.03, y: eyes.y - 0.0, radiusX: 0.31, radiusY: 0.19, height: -0.1 }),
    ...both({ x: eyes.distance, y: eyes.y + 0.015, radiusX: 0.19, radiusY: 0.115, height: 0.055 }),
    ...both({
      x: eyes.distance - 0.04,
      y: eyes.y - person.brows.lift - 0.02,
      radiusX: 0.34,
      radiusY: 0.13,
      height: 0.03 + 0.04 * angularity,
    }),
    { x: 0, y: -0.75, radiusX: 0.55, radiusY: 0.38, height: 0.05 },
    ...both({
      x: 0.62,
      y: 0.37,
      radiusX: 0.3,
      radiusY: 0.21,
      height: 0.035 + 0.05 * face.cheekbones + 0.04 * smile,
    }),
    ...both({
      x: 0.66,
      y: 0.86,
      radiusX: 0.22,
      radiusY: 0.24,
      height: -0.05 * face.cheekbones * (0.4 + angularity),
    }),
    ...both({ x: 0.9, y: -0.42, radiusX: 0.16, radiusY: 0.28, height: -0.05 }),
    // From the nose's wings to the mouth's corners: deeper with age and with a smile.
    ...both({
      x: 0.36,
      y: 0.5 * (noseY + mouthY) - 0.01,
      radiusX: 0.07,
      radiusY: 0.19,
      height: -0.018 - 0.03 * smile - 0.02 * age,
    }),
    { x: 0, y: 0.5 * (noseY + mouthY) + 0.03, radiusX: 0.05, radiusY: 0.1, height: -0.022 },
    { x: 0, y: mouthY, radiusX: mouthHalfWidth * 0.95, radiusY: 0.2, height: 0.06 },
    {
      x: 0,
      y: mouthY - 0.06,
      radiusX: mouthHalfWidth * 0.75,
      radiusY: 0.06,
      height: 0.03 + 0.25 * mouth.upper,
    },
    {
      x: 0,
      y: mouthY + 0.08,
      radiusX: mouthHalfWidth * 0.65,
      radiusY: 0.065,
      height: 0.03 + 0.3 * mouth.lower,
    },
    { x: 0, y: mouthY + 0.235, radiusX: 0.27, radiusY: 0.07, height: -0.06 },
    { x: 0, y: chinY - 0.17, radiusX: 0.27, radiusY: 0.17, height: 0.075 + 0.04 * angularity },
    ...both({
      x: mouthHalfWidth + 0.05,
      y: mouthY,
      radiusX: 0.07,
      radiusY: 0.07,
      height: -0.02 - 0.025 * smile,
    }),
  ];
}

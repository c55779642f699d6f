/** Fingers and mouse on a map: one pointer shifts it, two zoom, and one that hardly moves is a click. */

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface Gesture {
  readonly shiftX: number;
  readonly shiftY: number;
  /** 1: not zoomed. */
  readonly factor: number;
  /** Between the fingers. */
  readonly around: Place;
}

/** Pixels that a click may move. */
const CLICK_PX = 5;

export class PointerGestures {
  readonly #pointers = new Map<number, Place>();
  #moved = 0;

  press(pointer: number, place: Place): void {
    if (this.#pointers.size === 0) this.#moved = 0;
    this.#pointers.set(pointer, place);
  }

  isPressed(pointer: number): boolean {
    return this.#pointers.has(pointer);
  }

  /** @returns undefined where nothing is to move */
  move(pointer: number, now: Place): Gesture | undefined {
    const before = this.#pointers.get(pointer);
    if (!before) return undefined;
    this.#pointers.set(pointer, now);
    const [byX, byY] = [now.x - before.x, now.y - before.y];
    this.#moved += Math.hypot(byX, byY);
    const other = [...this.#pointers].find(([id]) => id !== pointer)?.[1];
    if (!other)
      return this.#moved > CLICK_PX ? { shiftX: byX, shiftY: byY, factor: 1, around: now } : undefined;
    const apart = Math.hypot(before.x - other.x, before.y - other.y);
    return {
      shiftX: byX / 2,
      shiftY: byY / 2,
      factor: Math.hypot(now.x - other.x, now.y - other.y) / Math.max(apart, 1),
      around: { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 },
    };
  }

  /** @returns whether it was a click */
  release(pointer: number): boolean {
    return this.#pointers.delete(pointer) && this.#pointers.size === 0 && this.#moved <= CLICK_PX;
  }
}

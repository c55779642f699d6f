/**
 * Counts the work of a reader: the bytes of all buffers and typed arrays that it makes, and its steps, which are calls
 * of methods that parsers use for reading (searching a text counts each of its characters). Unlike a duration, both
 * are the same on every machine, however busy it is.
 */
const BUFFERS = [
  'ArrayBuffer',
  'Uint8Array',
  'Uint16Array',
  'Uint32Array',
  'Int8Array',
  'Int16Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
] as const;
type Constructor = (new (...parameters: unknown[]) => { byteLength: number }) & { prototype: object };
type Method = (...parameters: unknown[]) => unknown;

const ofEach = (): number => 1;
const ofText = (text: unknown): number => 1 + String(text).length;
/** A sticky pattern, as in `split`, is tried at one place; other patterns are tried from the last place on. */
const ofPattern = (pattern: unknown, text: unknown): number => {
  const { sticky, lastIndex } = pattern as RegExp;
  return sticky ? 1 : 1 + String(text).length - lastIndex;
};
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** The steps of one call, by the object of the method. */
const COUNTED: readonly (readonly [object, readonly string[], (self: unknown, first: unknown) => number])[] =
  [
    [
      DataView.prototype,
      ['getUint8', 'getUint16', 'getUint32', 'getInt32', 'getFloat64', 'getBigUint64', 'getBigInt64'],
      ofEach,
    ],
    [typedArray, ['subarray', 'slice', 'set', 'indexOf'], ofEach],
    [String.prototype, ['charCodeAt', 'slice', 'startsWith'], ofEach],
    [String.prototype, ['split', 'trim', 'replace'], ofText],
    [RegExp.prototype, ['exec', 'test'], ofPattern],
    [Array.prototype, ['push'], ofEach],
    [Map.prototype, ['get', 'set', 'has'], ofEach],
  ];

/** Stops a reader that does not end by itself. */
export class TooManyStepsError extends Error {
  override name = 'TooManyStepsError';
  constructor(mostSteps: number) {
    super(`More than ${mostSteps} steps.`);
  }
}

export class WorkMeter {
  bytes = 0;
  steps = 0;
  readonly #mostSteps: number;
  readonly #undo: (() => void)[] = [];

  constructor(mostSteps = Infinity) {
    this.#mostSteps = mostSteps;
  }

  /** Counts from now on until `stop`. */
  start(): void {
    for (const name of BUFFERS) this.#countBytes(name);
    for (const [prototype, names, weight] of COUNTED)
      for (const name of names) this.#countSteps(prototype as Record<string, Method>, name, weight);
  }

  stop(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #countBytes(name: (typeof BUFFERS)[number]): void {
    const scope = globalThis as unknown as Record<string, Constructor>;
    const original = scope[name]!;
    const counted: Constructor = new Proxy(original, {
      construct: (target, parameters, newTarget: Constructor) => {
        const made = Reflect.construct(target, parameters, newTarget === counted ? target : newTarget) as {
          byteLength: number;
        };
        // A view of a buffer does not take memory.
        if (!(Object.prototype.toString.call(parameters[0]) === '[object ArrayBuffer]'))
          this.bytes += made.byteLength;
        return made;
      },
    });
    scope[name] = counted;
    this.#undo.push(() => (scope[name] = original));
  }

  #countSteps(
    prototype: Record<string, Method>,
    name: string,
    weight: (self: unknown, first: unknown) => number,
  ): void {
    const original = prototype[name]!;
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
    const count = (self: unknown, first: unknown): void => {
      this.steps += weight(self, first);
      if (this.steps > this.#mostSteps) {
        this.stop();
        throw new TooManyStepsError(this.#mostSteps);
      }
    };
    const counted: Method = function (this: unknown, ...parameters) {
      count(this, parameters[0]);
      return Reflect.apply(original, this, parameters);
    };
    Object.defineProperty(prototype, name, { ...descriptor, value: counted });
    this.#undo.push(() => Object.defineProperty(prototype, name, descriptor));
  }
}

/**
 * Counts the bytes of all buffers and typed arrays that are made while it runs. What a reader allocates is the same on
 * every machine, however busy it is.
 */
const NAMES = [
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

export class AllocationMeter {
  bytes = 0;
  readonly #undo: (() => void)[] = [];

  /** From here on, until `stop`. */
  start(): void {
    const scope = globalThis as unknown as Record<string, Constructor>;
    for (const name of NAMES) {
      const original = scope[name]!;
      const counted: Constructor = new Proxy(original, {
        construct: (target, parameters, newTarget: Constructor) => {
          const made = Reflect.construct(target, parameters, newTarget === counted ? target : newTarget) as {
            byteLength: number;
          };
          // A view of a buffer takes no memory.
          if (!(Object.prototype.toString.call(parameters[0]) === '[object ArrayBuffer]'))
            this.bytes += made.byteLength;
          return made;
        },
      });
      scope[name] = counted;
      this.#undo.push(() => (scope[name] = original));
    }
  }

  stop(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }
}

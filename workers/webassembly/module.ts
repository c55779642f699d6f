/** A WebAssembly module of functions over one memory, which is imported as `host.memory`. */
import { flatten, unsigned, type Code, type Local } from './code.ts';

const I32 = 0x7f;
const V128 = 0x7b;

/** Writes the body of one function. Its parameters (all i32) are the first locals. */
export class FunctionWriter<Parameter extends string = string> {
  readonly parameters: Readonly<Record<Parameter, Local>>;
  readonly parameterCount: number;
  readonly #locals: number[] = [];

  constructor(names: readonly Parameter[]) {
    this.parameters = Object.fromEntries(names.map((name, index) => [name, { index }])) as Record<
      Parameter,
      Local
    >;
    this.parameterCount = names.length;
  }

  integer(): Local {
    return this.#declare(I32);
  }

  vector(): Local {
    return this.#declare(V128);
  }

  #declare(type: number): Local {
    return { index: this.parameterCount + this.#locals.push(type) - 1 };
  }

  get locals(): Code {
    return [...unsigned(this.#locals.length), ...this.#locals.flatMap((type) => [1, type])];
  }
}

interface WrittenFunction {
  readonly name: string;
  readonly parameterCount: number;
  readonly body: readonly number[];
}

export class ModuleWriter {
  readonly #functions: WrittenFunction[] = [];

  /** @param write returns the function's instructions */
  add<Parameter extends string>(
    name: string,
    parameters: readonly Parameter[],
    write: (writer: FunctionWriter<Parameter>) => Code,
  ): void {
    const writer = new FunctionWriter(parameters);
    const instructions = write(writer);
    this.#functions.push({
      name,
      parameterCount: writer.parameterCount,
      body: flatten([writer.locals, instructions, 0x0b]),
    });
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    const sections: Code = [
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(
        1,
        functions.map(({ parameterCount }) => [
          0x60,
          ...unsigned(parameterCount),
          ...new Array<number>(parameterCount).fill(I32),
          0,
        ]),
      ),
      // At least one page; the host decides the size.
      section(2, [[...text('host'), ...text('memory'), 2, 0, 1]]),
      section(
        3,
        functions.map((_, index) => unsigned(index)),
      ),
      section(
        7,
        functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]),
      ),
      section(
        10,
        functions.map(({ body }) => [unsigned(body.length), body]),
      ),
    ];
    return Uint8Array.from(flatten(sections));
  }
}

function section(id: number, items: readonly Code[]): Code {
  const content = flatten([unsigned(items.length), items]);
  return [id, unsigned(content.length), content];
}

function text(value: string): Code {
  const bytes = new TextEncoder().encode(value);
  return [...unsigned(bytes.length), ...bytes];
}

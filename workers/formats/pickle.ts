/**
 * Reads Python pickles without executing them (opcodes: CPython's Lib/pickletools.py). A pickle is a program for a
 * stack machine that may call anything. Here it calls nothing: allowed globals and calls become plain records, which
 * the caller interprets. Other globals are refused, and so are opcodes that containers of tensors do not need.
 *
 * Bounds. A pickle has at most a million operations. Each operation makes one record or copies bytes of the pickle.
 * Calls that copy lists never copy more items in total than the number of bytes read. So time and memory are linear in
 * the length of the pickle, at most about a second and 200 MB. Values may be nested as deeply as the pickle is long,
 * so code that walks them must limit the depth. Reading can be cancelled every 4,096 operations.
 */

import { LongWork } from '../common/long_work.ts';
import { quoted } from '../protocol/quoted.ts';

export class PickleError extends Error {
  override name = 'PickleError';
}

/** `module.name` */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A call that the pickle would have made. */
export class PickleCall {
  readonly callee: string;
  readonly args: readonly PickleValue[];
  constructor(callee: string, args: readonly PickleValue[]) {
    this.callee = callee;
    this.args = args;
  }
}

/** An object outside the pickle, such as the storage of a tensor. */
export class PicklePersistentId {
  readonly id: PickleValue;
  constructor(id: PickleValue) {
    this.id = id;
  }
}

export class PickleTuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A dict, or an OrderedDict. */
export class PickleDict {
  readonly entries: [PickleValue, PickleValue][] = [];
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | PickleCall
  | PicklePersistentId;

const MARK = Symbol('mark');
type StackItem = PickleValue | typeof MARK;

const ORDERED_DICT = 'collections.OrderedDict';
/** A state dict of this program's networks needs about 40,000. */
const MAXIMUM_OPERATIONS = 1_000_000;
const OPERATIONS_BETWEEN_PAUSES = 4096;
/** The longest name of a global or its module. */
const MAXIMUM_LINE_BYTES = 1000;

/**
 * @param isAllowed whether the pickle may name a global
 * @param start offset of the pickle in the bytes
 * @param work can be cancelled
 * @returns the value, and the end of the pickle
 * @throws PickleError, and the signal's reason
 */
export async function readPickle(
  bytes: Uint8Array,
  isAllowed: (globalName: string) => boolean,
  start = 0,
  work = new LongWork(),
): Promise<{ value: PickleValue; end: number }> {
  const machine = new PickleMachine(bytes, isAllowed, start);
  return { value: await machine.run(work), end: machine.at };
}

class PickleMachine {
  at: number;
  readonly #start: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #isAllowed: (globalName: string) => boolean;
  readonly #stack: StackItem[] = [];
  readonly #memo = new Map<number, PickleValue>();
  /** Number of items that calls have copied from lists. The same list may be copied repeatedly. */
  #copiedItems = 0;

  constructor(bytes: Uint8Array, isAllowed: (globalName: string) => boolean, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#isAllowed = isAllowed;
    this.at = start;
    this.#start = start;
  }

  async run(work: LongWork): Promise<PickleValue> {
    for (let count = 0; count < MAXIMUM_OPERATIONS; count++) {
      if (count % OPERATIONS_BETWEEN_PAUSES === 0) await work.pause();
      const opcode = this.#byte();
      if (opcode === 0x2e) return this.#pop();
      this.#execute(opcode);
    }
    throw new PickleError('it has too many operations');
  }

  #execute(opcode: number): void {
    const stack = this.#stack;
    switch (opcode) {
      case 0x80: {
        const version = this.#byte();
        if (version > 5) throw new PickleError(`it has the unknown protocol ${version}`);
        return;
      }
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        stack.push(MARK);
        return;
      case 0x30: // POP
        stack.pop();
        return;
      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
        stack.push(true);
        return;
      case 0x89: // NEWFALSE
        stack.push(false);
        return;
      case 0x4a: // BININT
        stack.push(this.#view.getInt32(this.#take(4), true));
        return;
      case 0x4b: // BININT1
        stack.push(this.#byte());
        return;
      case 0x4d: // BININT2
        stack.push(this.#view.getUint16(this.#take(2), true));
        return;
      case 0x8a: // LONG1
        stack.push(this.#long(this.#byte()));
        return;
      case 0x47: // BINFLOAT
        stack.push(this.#view.getFloat64(this.#take(8), false));
        return;
      case 0x58: // BINUNICODE
        stack.push(this.#text(this.#view.getUint32(this.#take(4), true)));
        return;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(this.#text(this.#byte()));
        return;
      case 0x54: // BINSTRING
        stack.push(this.#text(this.#view.getUint32(this.#take(4), true)));
        return;
      case 0x43: // SHORT_BINBYTES
        stack.push(this.#slice(this.#byte()));
        return;
      case 0x42: // BINBYTES
        stack.push(this.#slice(this.#view.getUint32(this.#take(4), true)));
        return;
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(new PickleDict());
        return;
      case 0x29: // EMPTY_TUPLE
        stack.push(new PickleTuple([]));
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(new PickleTuple(this.#popMany(opcode - 0x84)));
        return;
      case 0x74: // TUPLE
        stack.push(new PickleTuple(this.#popToMark()));
        return;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        return;
      case 0x65: // APPENDS
        this.#append(this.#popToMark());
        return;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        return;
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        return;
      case 0x71: // BINPUT
        this.#memo.set(this.#byte(), this.#top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#view.getUint32(this.#take(4), true), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 0x68: // BINGET
        stack.push(this.#recall(this.#byte()));
        return;
      case 0x6a: // LONG_BINGET
        stack.push(this.#recall(this.#view.getUint32(this.#take(4), true)));
        return;
      case 0x63: // GLOBAL
        stack.push(this.#global(`${this.#line()}.${this.#line()}`));
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string')
          throw new PickleError('the name of a global is not text');
        stack.push(this.#global(`${module}.${name}`));
        return;
      }
      case 0x51: // BINPERSID
        stack.push(new PicklePersistentId(this.#pop()));
        return;
      case 0x52: // REDUCE
        stack.push(this.#call());
        return;
      case 0x62: {
        // BUILD sets attributes, such as the _metadata of a state dict. They are not needed.
        this.#pop();
        if (!(this.#top() instanceof PickleDict)) throw new PickleError('it sets the state of an object');
        return;
      }
      default:
        throw new PickleError(
          `it uses the operation 0x${opcode.toString(16).padStart(2, '0')}, which weights do not need`,
        );
    }
  }

  #call(): PickleValue {
    const [callee, args] = this.#popMany(2);
    if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple))
      throw new PickleError('it calls something that is not a function');
    if (callee.name !== ORDERED_DICT) return new PickleCall(callee.name, args.items);
    const dict = new PickleDict();
    const [pairs = [], ...rest] = args.items;
    if (rest.length > 0 || !Array.isArray(pairs)) throw new PickleError('it makes a strange OrderedDict');
    this.#copiedItems += pairs.length;
    if (this.#copiedItems > this.at - this.#start)
      throw new PickleError('its OrderedDicts have more items than it could name');
    for (const pair of pairs) {
      const items = Array.isArray(pair) ? pair : pair instanceof PickleTuple ? pair.items : [];
      if (items.length !== 2) throw new PickleError('it makes a strange OrderedDict');
      dict.entries.push([items[0]!, items[1]!]);
    }
    return dict;
  }

  #global(name: string): PickleGlobal {
    if (name !== ORDERED_DICT && !this.#isAllowed(name))
      throw new PickleError(
        `it wants to use ${quoted(name)}, which is not needed for weights and could be harmful`,
      );
    return new PickleGlobal(name);
  }

  #append(items: PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw new PickleError('it appends to something that is not a list');
    for (const item of items) list.push(item);
  }

  #setItems(items: PickleValue[]): void {
    const dict = this.#top();
    if (!(dict instanceof PickleDict) || items.length % 2 !== 0)
      throw new PickleError('it sets an item of something that is not a dict');
    for (let index = 0; index < items.length; index += 2)
      dict.entries.push([items[index]!, items[index + 1]!]);
  }

  #top(): PickleValue {
    const item = this.#stack.at(-1);
    if (item === undefined || item === MARK) throw new PickleError('its stack is empty');
    return item;
  }

  #pop(): PickleValue {
    const item = this.#top();
    this.#stack.pop();
    return item;
  }

  #popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.#pop()).reverse();
  }

  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw new PickleError('a mark is missing');
    return this.#stack.splice(mark).slice(1) as PickleValue[];
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw new PickleError('it recalls what was not memorised');
    return value;
  }

  /** Little-endian, two's complement. */
  #long(length: number): number | bigint {
    if (length > 64) throw new PickleError('a number is too long');
    let value = 0n;
    const bytes = this.#slice(length);
    for (let index = length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
    if (length > 0) value = BigInt.asIntN(length * 8, value);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  #line(): string {
    const length = this.#bytes.subarray(this.at, this.at + MAXIMUM_LINE_BYTES).indexOf(0x0a);
    if (length < 0) throw new PickleError('it ends within a name');
    const text = this.#text(length);
    this.at++;
    return text;
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#slice(length));
  }

  #slice(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #take(length: number): number {
    const start = this.at;
    if (start + length > this.#bytes.length) throw new PickleError('it ends too early');
    this.at = start + length;
    return start;
  }
}

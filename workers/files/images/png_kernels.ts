/**
 * The expensive parts of writing a PNG file as WebAssembly kernels: Paeth's filter (ISO/IEC 15948, 9.4), the search
 * for runs of equal bytes, and their codes (see encode_png.ts). Addresses and lengths are in bytes.
 */
import {
  get,
  i16x8,
  i32,
  i8x16,
  ifElse,
  repeatWhile,
  sequence,
  set,
  v128,
  type Code,
  type Local,
} from '../../webassembly/code.ts';
import { ModuleWriter } from '../../webassembly/module.ts';

/** A smaller token is a byte. A larger one is a run of (token − FIRST_RUN) bytes. */
export const FIRST_RUN = 256;
export const SHORTEST_RUN = 3;
export const LONGEST_RUN = 258;
export const TOKENS = FIRST_RUN + LONGEST_RUN + 1;

export interface PngKernels {
  /**
   * Subtracts from a row of bytes the prediction from the pixels to the left (3 bytes before), above, and above left.
   * Writes up to 15 bytes beyond the row.
   */
  paeth(row: number, rowAbove: number, output: number, bytes: number): void;
  /**
   * Turns the bytes from `data` to `end` into 16-bit tokens. Three or more bytes that repeat the byte before them are
   * a run. The bytes before the first and after the last must differ from these. The tokens are counted (32 bits
   * each), and their end address is written to `tokensEnd`.
   */
  findRuns(data: number, end: number, tokens: number, counts: number, tokensEnd: number): void;
  /**
   * Writes the codes of the tokens, the first bit lowest. Each code of up to 21 bits has a word in `codes`: the code,
   * and its length from bit 24 on. `state` holds the address of the next byte, its bits so far (fewer than eight) and
   * their number.
   */
  writeCodes(tokens: number, end: number, codes: number, state: number): void;
  /** Continues the two sums of Adler-32 in `sums`, without reducing them. */
  addToSums(data: number, end: number, sums: number): void;
}

const advance = (local: Local, by: number): Code => set(local, i32.add(get(local), i32.const(by)));

export function pngModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter();
  module.add('paeth', ['row', 'rowAbove', 'output', 'bytes'], (writer) => {
    const { row, rowAbove, output, bytes } = writer.parameters;
    const end = writer.integer();
    const [left, above, both] = [writer.vector(), writer.vector(), writer.vector()];
    const [lower, upper] = [writer.vector(), writer.vector()];
    const [a, b, c] = [writer.vector(), writer.vector(), writer.vector()];
    const [fromLeft, fromAbove, fromBoth] = [writer.vector(), writer.vector(), writer.vector()];
    const guess = (half: Local, extend: (bytes: Code) => Code): Code =>
      sequence(
        set(a, extend(get(left))),
        set(b, extend(get(above))),
        set(c, extend(get(both))),
        set(fromLeft, i16x8.sub(get(b), get(c))),
        set(fromAbove, i16x8.sub(get(a), get(c))),
        set(fromBoth, i16x8.abs(i16x8.add(get(fromLeft), get(fromAbove)))),
        set(fromLeft, i16x8.abs(get(fromLeft))),
        set(fromAbove, i16x8.abs(get(fromAbove))),
        set(
          half,
          v128.select(
            get(a),
            v128.select(get(b), get(c), i16x8.isAtMost(get(fromAbove), get(fromBoth))),
            i16x8.isAtMost(get(fromLeft), i16x8.min(get(fromAbove), get(fromBoth))),
          ),
        ),
      );
    return sequence(
      set(end, i32.add(get(row), get(bytes))),
      repeatWhile(
        i32.isLess(get(row), get(end)),
        sequence(
          set(left, v128.load(i32.sub(get(row), i32.const(3)))),
          set(above, v128.load(get(rowAbove))),
          set(both, v128.load(i32.sub(get(rowAbove), i32.const(3)))),
          guess(lower, i16x8.extendLowBytes),
          guess(upper, i16x8.extendHighBytes),
          v128.store(get(output), i8x16.sub(v128.load(get(row)), i8x16.narrow(get(lower), get(upper)))),
          advance(row, 16),
          advance(rowAbove, 16),
          advance(output, 16),
        ),
      ),
    );
  });
  module.add('findRuns', ['data', 'end', 'tokens', 'counts', 'tokensEnd'], (writer) => {
    const { data, end, tokens, counts, tokensEnd } = writer.parameters;
    const [value, token, runEnd, longestEnd, count] = [
      writer.integer(),
      writer.integer(),
      writer.integer(),
      writer.integer(),
      writer.integer(),
    ];
    const isRun = i32.isEqual(
      i32.load(i32.sub(get(data), i32.const(1))),
      i32.mul(get(value), i32.const(0x01010101)),
    );
    return repeatWhile(
      i32.isLess(get(data), get(end)),
      sequence(
        set(value, i32.load8(get(data))),
        ifElse(
          isRun,
          sequence(
            set(runEnd, i32.add(get(data), i32.const(SHORTEST_RUN - 1))),
            set(longestEnd, i32.add(get(data), i32.const(LONGEST_RUN))),
            repeatWhile(
              i32.and(
                i32.isEqual(i32.load8(get(runEnd)), get(value)),
                i32.isLess(get(runEnd), get(longestEnd)),
              ),
              advance(runEnd, 1),
            ),
            set(token, i32.add(i32.sub(get(runEnd), get(data)), i32.const(FIRST_RUN))),
            set(data, get(runEnd)),
          ),
          sequence(set(token, get(value)), advance(data, 1)),
        ),
        i32.store16(get(tokens), get(token)),
        advance(tokens, 2),
        set(count, i32.add(get(counts), i32.mul(get(token), i32.const(4)))),
        i32.store(get(count), i32.add(i32.load(get(count)), i32.const(1))),
        i32.store(get(tokensEnd), get(tokens)),
      ),
    );
  });
  module.add('writeCodes', ['tokens', 'end', 'codes', 'state'], (writer) => {
    const { tokens, end, codes, state } = writer.parameters;
    const [output, pending, bits, code] = [
      writer.integer(),
      writer.integer(),
      writer.integer(),
      writer.integer(),
    ];
    return sequence(
      set(output, i32.load(get(state))),
      set(pending, i32.load(get(state), 4)),
      set(bits, i32.load(get(state), 8)),
      repeatWhile(
        i32.isLess(get(tokens), get(end)),
        sequence(
          set(code, i32.load(i32.add(get(codes), i32.mul(i32.load16(get(tokens)), i32.const(4))))),
          set(
            pending,
            i32.or(get(pending), i32.shiftLeft(i32.and(get(code), i32.const(0xffffff)), get(bits))),
          ),
          set(bits, i32.add(get(bits), i32.shiftRight(get(code), i32.const(24)))),
          // Advances past the complete bytes; the remaining bits are written again.
          i32.store(get(output), get(pending)),
          set(output, i32.add(get(output), i32.shiftRight(get(bits), i32.const(3)))),
          set(pending, i32.shiftRight(get(pending), i32.and(get(bits), i32.const(24)))),
          set(bits, i32.and(get(bits), i32.const(7))),
          advance(tokens, 2),
        ),
      ),
      i32.store(get(state), get(output)),
      i32.store(get(state), get(pending), 4),
      i32.store(get(state), get(bits), 8),
    );
  });
  module.add('addToSums', ['data', 'end', 'sums'], (writer) => {
    const { data, end, sums } = writer.parameters;
    const [low, high] = [writer.integer(), writer.integer()];
    return sequence(
      set(low, i32.load(get(sums))),
      set(high, i32.load(get(sums), 4)),
      repeatWhile(
        i32.isLess(get(data), get(end)),
        sequence(
          set(low, i32.add(get(low), i32.load8(get(data)))),
          set(high, i32.add(get(high), get(low))),
          advance(data, 1),
        ),
      ),
      i32.store(get(sums), get(low)),
      i32.store(get(sums), get(high), 4),
    );
  });
  return module.bytes();
}

/** Modules assembled from instructions compute what the instructions say. */
import { describe, expect, it } from 'vitest';
import {
  f32x4,
  get,
  i32,
  repeatWhile,
  sequence,
  set,
  unsigned,
  v128,
} from '../../../workers/webassembly/code.ts';
import { hasVectors } from '../../../workers/webassembly/has_vectors.ts';
import { KernelMemory } from '../../../workers/webassembly/memory.ts';
import { ModuleWriter } from '../../../workers/webassembly/module.ts';

describe('a WebAssembly module', () => {
  it('has constants of every length, of both signs', () => {
    const constants = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8193, 2 ** 31 - 1, -(2 ** 31)];
    const memory = new KernelMemory();
    const module = new ModuleWriter();
    module.add('write', ['address'], (writer) => {
      const { address } = writer.parameters;
      const sum = writer.integer();
      // There are only vector stores, so each constant passes through memory as a sum minus itself.
      return sequence(
        ...constants.flatMap((constant, index) => [
          set(sum, i32.add(get(address), i32.const(index * 16))),
          v128.store(
            get(sum),
            v128.load(
              i32.add(get(address), i32.sub(i32.const(constant), i32.const((constant - 16 * index) | 0))),
              1024,
            ),
          ),
        ]),
      );
    });
    constants.forEach((_, index) => (memory.floats[256 + 4 * index] = index + 0.5));
    const { write } = memory.instantiate(module.bytes()) as { write(address: number): void };
    write(0);
    constants.forEach((_, index) => expect(memory.floats[4 * index]).toBe(index + 0.5));
  });

  it('counts, and keeps what is written when its memory grows', () => {
    const memory = new KernelMemory();
    const module = new ModuleWriter();
    module.add('fill', ['address', 'count'], (writer) => {
      const { address, count } = writer.parameters;
      return repeatWhile(
        i32.isDifferent(get(count), i32.const(0)),
        sequence(
          v128.store(get(address), f32x4.add(v128.load(get(address)), f32x4.splat(1.5))),
          set(address, i32.add(get(address), i32.const(16))),
          set(count, i32.sub(get(count), i32.const(1))),
        ),
      );
    });
    const { fill } = memory.instantiate(module.bytes()) as { fill(address: number, count: number): void };
    memory.write(16, Float32Array.of(1, 2, 3, 4));
    fill(16, 1);
    memory.reserve(1_000_000);
    expect(memory.bytes).toBeGreaterThanOrEqual(1_000_000);
    fill(16, 3);
    expect([...memory.floats.subarray(4, 13)]).toEqual([4, 5, 6, 7, 1.5, 1.5, 1.5, 1.5, 1.5]);
  });

  it('has lengths beyond a byte', () => {
    expect(unsigned(127)).toEqual([127]);
    expect(unsigned(128)).toEqual([128, 1]);
    expect(unsigned(2 ** 32 - 1)).toEqual([255, 255, 255, 255, 15]);
  });

  it('may use vectors here', () => {
    expect(hasVectors()).toBe(true);
  });
});

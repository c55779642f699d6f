/**
 * 20,000 damaged files in all formats (test/fuzz). Each is read, or refused with a named error, in a bounded number of
 * steps and in bounded memory. `npm run fuzz` tries many more.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { closeReaders, FUZZED_FORMATS } from '../../fuzz/formats.ts';
import { damagedFile, filesOf, fuzzFormat, FuzzFailure } from '../../fuzz/fuzz.ts';

const FILES = 20_000;
const FIRST_SEED = 1;
const LIMIT_MS = 600_000;

afterAll(closeReaders);

describe('damaged files', () => {
  for (const format of FUZZED_FORMATS)
    it(`of ${format.name} are read, or refused by name`, { timeout: LIMIT_MS }, async () => {
      // The valid file must be readable. Otherwise, refusing the damaged files would prove nothing.
      if (!format.isAlwaysRefused) await format.read(format.assemble(format.parts));
      const files = filesOf(format, FILES);
      const { refused } = await fuzzFormat(format, FIRST_SEED, files);
      // A reader that refuses nothing does not check anything.
      if (format.errors.length > 0) expect(refused).toBeGreaterThan(files / 20);
    });

  it('are the same for the same seed, and others for another one', () => {
    const [format] = FUZZED_FORMATS;
    expect(damagedFile(format!, 7)).toEqual(damagedFile(format!, 7));
    expect(damagedFile(format!, 8)).not.toEqual(damagedFile(format!, 7));
  });

  it('that make a reader fail without a name, fill the memory, or never end, are named with the command that makes them again', async () => {
    const [format] = FUZZED_FORMATS;
    const broken = {
      ...format!,
      read: (): never => {
        throw new RangeError('Maximum call stack size exceeded');
      },
    };
    const failure = fuzzFormat(broken, 41, 2);
    await expect(failure).rejects.toThrow(FuzzFailure);
    await expect(failure).rejects.toThrow(
      `without a name: RangeError: Maximum call stack size exceeded. Make it again: npm run fuzz -- --format ${format!.name} --seed 41 --files 1`,
    );
    const greedy = { ...format!, read: () => new Float32Array(30_000_000) };
    await expect(fuzzFormat(greedy, 41, 2)).rejects.toThrow('allocates 120000000');
    const endless = {
      ...format!,
      read: (bytes: Uint8Array): never => {
        for (;;) new DataView(bytes.buffer).getUint8(0);
      },
    };
    await expect(fuzzFormat(endless, 41, 2)).rejects.toThrow('takes more than 1000000 steps');
  });
});

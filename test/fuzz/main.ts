/** `npm run fuzz`: many more damaged files than in the tests, for a night. See docs/contributing.md. */
import { parseArgs } from 'node:util';
import { filesOf, fuzzFormat, FuzzFailure } from './fuzz.ts';
import { closeReaders, FUZZED_FORMATS } from './formats.ts';

const FILES_AT_ONCE = 1000;
const names = FUZZED_FORMATS.map(({ name }) => name);
const USAGE = `Usage: npm run fuzz -- [--files 1000000] [--seed 1] [--format ${names.join('|')}]`;

const { files, seed, format } = readArguments();
let failures = 0;
for (const one of FUZZED_FORMATS) {
  if (format !== undefined && one.name !== format) continue;
  const total = format === undefined ? filesOf(one, files) : files;
  const beganMs = performance.now();
  let refused = 0;
  let mostSteps = 0;
  let mostAllocatedBytes = 0;
  let done = 0;
  try {
    for (; done < total; done += FILES_AT_ONCE) {
      const result = await fuzzFormat(one, seed + done, Math.min(FILES_AT_ONCE, total - done));
      refused += result.refused;
      mostSteps = Math.max(mostSteps, result.mostSteps);
      mostAllocatedBytes = Math.max(mostAllocatedBytes, result.mostAllocatedBytes);
    }
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    failures++;
    console.error(error.message);
    if (error.cause instanceof Error) console.error(error.cause.stack);
  }
  console.log(
    `${one.name}: ${Math.min(done, total)} damaged files, ${refused} refused by name; ${mostSteps} steps and ${(mostAllocatedBytes / 1e6).toFixed(1)} MB at most for one; ${Math.round((performance.now() - beganMs) / 1000)} s.`,
  );
}
await closeReaders();
process.exitCode = failures > 0 ? 1 : 0;

function readArguments(): { files: number; seed: number; format: string | undefined } {
  try {
    const { values } = parseArgs({
      options: { files: { type: 'string' }, seed: { type: 'string' }, format: { type: 'string' } },
    });
    const [count, first] = [Number(values.files ?? 1_000_000), Number(values.seed ?? 1)];
    if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(first) || first < 0)
      throw new Error('--files and --seed are whole numbers.');
    if (values.format !== undefined && !names.includes(values.format))
      throw new Error(`There is no format ${values.format}.`);
    return { files: count, seed: first, format: values.format };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

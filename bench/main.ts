/** The benchmarks by their names, as `npm run bench -- <name> [flags]` runs them. */
import { parseArgs } from 'node:util';
import { alignBenchmark } from './align_command.ts';
import { dataBenchmark } from './data_command.ts';
import { embedBenchmark } from './embed_command.ts';
import { engineBenchmark } from './engine_command.ts';
import { precisionBenchmark } from './precision_command.ts';

export interface BenchmarkContext {
  /** Values of the flags that the benchmark declares. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  /** Progress, for standard error. */
  readonly onMessage: (message: string) => void;
}

export interface Benchmark {
  /** One line for the list of benchmarks. */
  readonly description: string;
  readonly flags: Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly help: string }>>;
  run(context: BenchmarkContext): Promise<{
    /** For --json. */
    readonly report: unknown;
    /** For people. */
    readonly lines: readonly string[];
  }>;
}

/** Adding a benchmark is adding a line here. */
const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  engine: engineBenchmark,
  embed: embedBenchmark,
  precision: precisionBenchmark,
  data: dataBenchmark,
  align: alignBenchmark,
};
const DEFAULT_BENCHMARK = 'engine';

function usage(): string {
  const lines = [
    'Usage: npm run bench -- [benchmark] [--json] [flags]',
    'One line of JSON and nothing else: npm run --silent bench -- [benchmark] --json > report.json',
    '',
  ];
  for (const [name, { description, flags }] of Object.entries(BENCHMARKS)) {
    lines.push(`${name}  ${description}`);
    for (const [flag, { help }] of Object.entries(flags)) lines.push(`    --${flag}  ${help}`);
  }
  return lines.join('\n');
}

/** @returns the exit code: 0, or 1 for a failure, 2 for a wrong command line */
export async function main(args: readonly string[]): Promise<number> {
  const [first = ''] = args;
  const name = first.startsWith('-') || first === '' ? DEFAULT_BENCHMARK : first;
  const benchmark = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
  if (!benchmark) {
    console.error(`bench: there is no benchmark "${name}".\n\n${usage()}`);
    return 2;
  }
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: args.slice(name === first ? 1 : 0),
      options: { json: { type: 'boolean' }, help: { type: 'boolean' }, ...benchmark.flags },
    }) as { values: Record<string, string | boolean | undefined> });
  } catch (error) {
    console.error(`bench: ${(error as Error).message}\n\n${usage()}`);
    return 2;
  }
  if (values.help) {
    console.log(usage());
    return 0;
  }
  try {
    // Standard output is the report's alone, whatever a library has to say.
    if (values.json) console.log = console.error;
    const { report, lines } = await benchmark.run({
      flags: values,
      onMessage: (message) => process.stderr.write(`${message}\n`),
    });
    const text = values.json ? JSON.stringify(report) : lines.join('\n');
    await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
    return 0;
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

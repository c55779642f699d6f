/** A command line for benchmarks: a name, then flags. Standard output has only the report. */
import { parseArgs } from 'node:util';

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
    /** The requirement that was not met, if any. The exit code is then 1. */
    readonly failure?: string | undefined;
  }>;
}

/** The benchmarks of one program. */
export interface BenchmarkSet {
  /** The first lines of its help. */
  readonly usage: readonly string[];
  readonly benchmarks: Readonly<Record<string, Benchmark>>;
  /** The benchmark to run if none is named. */
  readonly defaultBenchmark: string;
}

function usageOf({ usage, benchmarks }: BenchmarkSet): string {
  const lines = [...usage, ''];
  for (const [name, { description, flags }] of Object.entries(benchmarks)) {
    lines.push(`${name}  ${description}`);
    for (const [flag, { help }] of Object.entries(flags)) lines.push(`    --${flag}  ${help}`);
  }
  return lines.join('\n');
}

/**
 * @param args the command line, without the program
 * @returns the exit code: 0, or 1 for a failure, 2 for a wrong command line
 */
export async function runBenchmarks(set: BenchmarkSet, args: readonly string[]): Promise<number> {
  const { benchmarks } = set;
  const [first = ''] = args;
  const name = first.startsWith('-') || first === '' ? set.defaultBenchmark : first;
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
  if (!benchmark) {
    console.error(`bench: there is no benchmark "${name}".\n\n${usageOf(set)}`);
    return 2;
  }
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: args.slice(name === first ? 1 : 0),
      options: { json: { type: 'boolean' }, help: { type: 'boolean' }, ...benchmark.flags },
    }) as { values: Record<string, string | boolean | undefined> });
  } catch (error) {
    console.error(`bench: ${(error as Error).message}\n\n${usageOf(set)}`);
    return 2;
  }
  if (values.help) {
    console.log(usageOf(set));
    return 0;
  }
  try {
    // Standard output has only the report, even if a library logs something.
    if (values.json) console.log = console.error;
    const { report, lines, failure } = await benchmark.run({
      flags: values,
      onMessage: (message) => process.stderr.write(`${message}\n`),
    });
    const text = values.json ? JSON.stringify(report) : lines.join('\n');
    await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
    if (failure === undefined) return 0;
    console.error(`bench: ${failure}`);
    return 1;
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

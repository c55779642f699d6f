/** conformance: this program's numbers against those of a fixture file. */
import { readFileSync } from 'node:fs';
import type { ConformanceReport } from '../../workers/protocol.ts';
import { chosenBackend, type Command } from '../command.ts';
import { CommandError, EXIT_FAILURE } from '../errors.ts';
import type { Output } from '../output.ts';
import { requireFile, resolvePath } from '../paths.ts';

export const conformanceCommand: Command = {
  name: 'conformance',
  summary: "Hold this program's numbers against those of a fixture file.",
  details:
    'Parameters, inputs and expected values follow from the file’s seed. Every figure is printed with its bound; the exit code is 1 when one does not hold.',
  positionals: [{ name: 'fixture.json', description: 'The fixture: of a model, or of the LFW metrics.' }],
  flags: [
    {
      name: 'executor',
      type: 'choice',
      choices: ['engine', 'tfjs'],
      description: 'What runs the network; default: the usual one.',
    },
    {
      name: 'backend',
      type: 'choice',
      choices: ['webgpu', 'wasm'],
      default: 'webgpu',
      description: 'WebGPU, also a simulated one, or WebAssembly.',
    },
  ],
  example: 'conformance fixtures/inception-resnet-v1.json --json',
  async run(context) {
    const { args, output } = context;
    const path = resolvePath(args.positionals[0]!);
    requireFile(path);
    const fixture = readFixture(path);
    const { executor } = args.values;
    const session = await context.openSession();
    let report: ConformanceReport;
    try {
      report = await session.train.conformance(
        {
          fixture,
          backend: chosenBackend(args),
          executor: executor === 'engine' || executor === 'tfjs' ? executor : undefined,
        },
        (message) => output.progress(message),
      );
    } catch (error) {
      throw new CommandError(`${path}: ${(error as Error).message}`, { cause: error });
    }
    output.clearProgress();
    showReport(report, output);
    const holds = report.bounds.every((bound) => bound.holds);
    return { json: { ...report.figures, holds, device: report.device }, exitCode: holds ? 0 : EXIT_FAILURE };
  },
};

/** @throws CommandError */
function readFixture(path: string): string {
  const text = readFileSync(path, 'utf8');
  try {
    JSON.parse(text);
  } catch (error) {
    throw new CommandError(
      `${path} is no conformance fixture: it is not JSON (${(error as Error).message}).`,
      { cause: error },
    );
  }
  return text;
}

function showReport({ figures, bounds, device }: ConformanceReport, output: Output): void {
  if (device) output.line(`Computed on ${device}`);
  const width = Math.max(...Object.keys(figures).map((figure) => figure.length));
  for (const [figure, value] of Object.entries(figures)) {
    const bound = bounds.find((candidate) => candidate.figure === figure);
    const verdict = bound ? ` (at most ${bound.bound}) ${bound.holds ? 'ok' : 'FAILS'}` : '';
    output.line(
      `${figure.padEnd(width)}  ${Number.isInteger(value) ? value : value.toExponential(3)}${verdict}`,
    );
  }
}

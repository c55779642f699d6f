/** conformance: checks this program's results against the values in a fixture file. */
import { readFileSync } from 'node:fs';
import type { ConformanceReport } from '../../workers/protocol/train/conformance.ts';
import { PRECISIONS, type Precision } from '../../workers/protocol/train/options.ts';
import { chosenBackend, type Command, type CommandContext } from '../arguments/command.ts';
import { CommandError, EXIT_FAILURE, UsageError } from '../system/errors.ts';
import type { Arguments } from '../arguments/flags.ts';
import { installWebGpu } from '../browser/node_webgpu.ts';
import type { Output } from '../arguments/output.ts';
import { requireFile, resolvePath } from '../system/paths.ts';

export const conformanceCommand: Command = {
  name: 'conformance',
  summary: "Check this program's results against the values in a fixture file.",
  details:
    'The parameters and inputs are generated from the file’s seed. Every figure is printed with its bound. The exit code is 1 if a figure exceeds its bound.',
  positionals: [{ name: 'fixture.json', description: 'A fixture for a model or for the LFW metrics.' }],
  flags: [
    {
      name: 'executor',
      type: 'choice',
      choices: ['engine', 'tfjs'],
      description: 'What runs the network. Default: chosen automatically.',
    },
    {
      name: 'backend',
      type: 'choice',
      choices: ['webgpu', 'wasm'],
      default: 'webgpu',
      description: 'WebGPU (real or simulated) or WebAssembly.',
    },
    {
      name: 'precision',
      type: 'choice',
      choices: PRECISIONS,
      default: 'float32',
      description:
        'How the engine stores activations. float16 has its own bounds and needs a GPU with shader-f16.',
    },
    {
      name: 'runtime',
      type: 'choice',
      choices: ['chromium', 'node'],
      default: 'chromium',
      description: 'Where the engine runs: in a browser, or in Node through Dawn.',
    },
  ],
  example: 'conformance fixtures/inception-resnet-v1.json --json',
  async run(context) {
    const { args, output } = context;
    const path = resolvePath(args.positionals[0]!);
    requireFile(path);
    const fixture = readFixture(path);
    let report: ConformanceReport;
    try {
      report = await (args.values['runtime'] === 'node' ? runInNode : runInBrowser)(fixture, context);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new CommandError(`${path}: ${(error as Error).message}`, { cause: error });
    }
    output.clearProgress();
    showReport(report, output);
    const holds = report.bounds.every((bound) => bound.holds);
    return { json: { ...report.figures, holds, device: report.device }, exitCode: holds ? 0 : EXIT_FAILURE };
  },
};

async function runInBrowser(
  fixture: string,
  { args, output, openSession }: CommandContext,
): Promise<ConformanceReport> {
  const { executor } = args.values;
  const session = await openSession();
  return session.train.conformance(
    {
      fixture,
      backend: chosenBackend(args),
      executor: executor === 'engine' || executor === 'tfjs' ? executor : undefined,
      precision: chosenPrecision(args),
    },
    (message) => output.progress(message),
  );
}

async function runInNode(fixture: string, { args, output }: CommandContext): Promise<ConformanceReport> {
  if (args.values['executor'] === 'tfjs' || args.values['backend'] === 'wasm')
    throw new UsageError('In Node only the WebGPU engine runs. Remove --executor tfjs and --backend wasm.');
  await installWebGpu();
  const { runConformanceInNode } = await import('../../workers/conformance.node.ts');
  return runConformanceInNode(fixture, chosenPrecision(args), (message) => output.progress(message));
}

function chosenPrecision({ values }: Arguments): Precision {
  return values['precision'] === 'float16' ? 'float16' : 'float32';
}

/** @throws CommandError */
function readFixture(path: string): string {
  const text = readFileSync(path, 'utf8');
  try {
    JSON.parse(text);
  } catch (error) {
    throw new CommandError(
      `${path} is not a conformance fixture: it is not JSON (${(error as Error).message}).`,
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

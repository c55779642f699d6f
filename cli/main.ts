/** The terminal front end: the command line, its errors, and the end of the browser. */
import { BrowserSession } from './browser/browser_session.ts';
import {
  chosenBackend,
  COMMON_FLAGS,
  GPU_MEMORY_FLAG,
  isSet,
  textOf,
  type Command,
  type CommandContext,
} from './arguments/command.ts';
import { alignCommand } from './commands/align.ts';
import { classifyCommand } from './commands/classify.ts';
import { compareCommand } from './commands/compare.ts';
import { conformanceCommand } from './commands/conformance.ts';
import { demoCommand } from './commands/demo.ts';
import { detectCommand } from './commands/detect.ts';
import { embedCommand } from './commands/embed.ts';
import { exportCommand } from './commands/export.ts';
import { inspectCommand } from './commands/inspect.ts';
import { trainCommand } from './commands/train.ts';
import { validateCommand } from './commands/validate.ts';
import { EXIT_FAILURE, EXIT_USAGE, UsageError } from './system/errors.ts';
import { flagAdvice, parseArguments, type Arguments } from './arguments/flags.ts';
import { formatDevice } from './arguments/format.ts';
import { commandHelp, generalHelp } from './arguments/help.ts';
import { Interruption } from './interruption.ts';
import { nearestName } from './arguments/nearest_name.ts';
import { Output } from './arguments/output.ts';
import { resolvePath } from './system/paths.ts';
import { terminalText } from '../workers/protocol/escape_text.ts';
import { splitWords } from './arguments/words.ts';

const COMMANDS: readonly Command[] = [
  alignCommand,
  detectCommand,
  trainCommand,
  validateCommand,
  exportCommand,
  embedCommand,
  compareCommand,
  classifyCommand,
  inspectCommand,
  conformanceCommand,
  demoCommand,
];

/** @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  ignoreWriteErrors();
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    console.log(generalHelp(COMMANDS));
    return name === undefined ? EXIT_USAGE : 0;
  }
  try {
    const command = findCommand(name === 'help' ? rest[0]! : name);
    if (name === 'help' || rest.some((token) => token === '--help' || token === '-h')) {
      console.log(commandHelp(command));
      return 0;
    }
    return await runCommand(
      command,
      parseArguments(command.positionals, [...command.flags, ...COMMON_FLAGS], rest),
    );
  } catch (error) {
    return report(error, false);
  }
}

/**
 * A reader that has ended (`| head -1`), or a terminal that was closed, makes a stream fail later, where no caller could
 * catch it. A command that runs stops then; see Interruption.
 */
function ignoreWriteErrors(): void {
  for (const stream of [process.stdout, process.stderr])
    if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
}

function ignore(): void {
  // Nobody reads the output any more.
}

/** @throws UsageError */
function findCommand(name: string): Command {
  const command = COMMANDS.find(
    (candidate) => candidate.name === name || candidate.formerNames?.includes(name),
  );
  if (command) return command;
  const names = COMMANDS.map((candidate) => candidate.name);
  const nearest = nearestName(name, names);
  throw new UsageError(
    `There is no command "${name}".${nearest ? ` Did you mean ${nearest}?` : ''} Commands: ${names.join(', ')}.`,
  );
}

async function runCommand(command: Command, args: Arguments): Promise<number> {
  const output = new Output(process.stdout);
  const verbose = isSet(args, 'verbose');
  let session: BrowserSession | undefined;
  const interruption = new Interruption(
    () => output.line('Stopping. The results so far are kept. Press Ctrl-C again to stop immediately.'),
    // Playwright ends the browser together with this process.
    (exitCode) => process.exit(exitCode),
  );
  const stopListening = interruption.listen();
  const context: CommandContext = {
    args,
    output,
    async openSession(profileFolder) {
      session = await openSession(args, output, profileFolder);
      return session;
    },
    onInterrupt: (stop) => interruption.onInterrupt(stop),
    get interrupted() {
      return interruption.interrupted;
    },
  };
  let exitCode: number;
  try {
    for (const advice of flagAdvice(command.flags, args)) output.line(`Note: ${advice}`);
    const { json, exitCode: wanted = 0 } = await command.run(context);
    if (isSet(args, 'json')) output.line(JSON.stringify(json));
    exitCode = interruption.interrupted ? interruption.exitCode : wanted;
  } catch (error) {
    output.clearProgress();
    const failure = report(error, verbose);
    exitCode = interruption.interrupted ? interruption.exitCode : failure;
  }
  await session?.close();
  stopListening();
  return exitCode;
}

async function openSession(
  args: Arguments,
  output: Output,
  profileFolder: string | undefined,
): Promise<BrowserSession> {
  const browser = textOf(args, 'browser');
  const session = await BrowserSession.open({
    browser: browser && resolvePath(browser),
    browserArguments: splitWords(textOf(args, 'browser_args') ?? ''),
    profileFolder,
    log: (line) => console.error(line.split('\n').map(terminalText).join('\n')),
    verbose: isSet(args, 'verbose'),
  });
  output.line(formatDevice(session.device, chosenBackend(args)));
  if (args.given.has(GPU_MEMORY_FLAG.name))
    output.line(
      `Note: --${GPU_MEMORY_FLAG.name} has no effect. The browser uses as much GPU memory as it needs.`,
    );
  return session;
}

/** Not by an expression such as /\s*\n/, which takes quadratic time for a message with many spaces. */
function oneLine(message: string): string {
  const lines = message.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' ');
}

function report(error: unknown, verbose: boolean): number {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  console.error(`facenet: ${terminalText(oneLine(message))}`);
  if (verbose && stack) console.error(stack.split('\n').map(terminalText).join('\n'));
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

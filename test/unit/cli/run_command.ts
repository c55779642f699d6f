/** Runs a command of the terminal front end with a fake session. */
import { Writable } from 'node:stream';
import type { Command } from '../../../cli/arguments/command.ts';
import { parseArguments } from '../../../cli/arguments/flags.ts';
import { Output } from '../../../cli/arguments/output.ts';
import type { BrowserSession } from '../../../cli/browser/browser_session.ts';

export interface CommandOutcome {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

export async function runCommand(
  command: Command,
  argv: readonly string[],
  session: BrowserSession,
): Promise<CommandOutcome> {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const { json } = await command.run({
    args: parseArguments(command.positionals, command.flags, argv),
    output: new Output(stream),
    openSession: async () => session,
    onInterrupt: () => undefined,
    interrupted: false,
  });
  return { text, json: JSON.parse(JSON.stringify(json)) as CommandOutcome['json'] };
}

/** --help. */
import type { Command } from './command.ts';
import { COMMON_FLAGS } from './command.ts';
import type { FlagSpec } from './flags.ts';

const INVOCATION = 'npm run --silent facenet --';
const WIDTH = 100;

export function generalHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'Trains and uses face-embedding models. This runs the same program as the web page, in a headless browser, on the folders on your disk.',
    '',
    `Usage: ${INVOCATION} <command> [arguments]`,
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    `Run ${INVOCATION} <command> --help to see a command's arguments and flags.`,
  ].join('\n');
}

export function commandHelp(command: Command): string {
  const usage = command.positionals.map(
    ({ name, optional, repeated }) => (optional ? `[${name}]` : `<${name}>`) + (repeated ? ' …' : ''),
  );
  const { positionals, flags } = command;
  return [
    command.summary,
    ...(command.details ? ['', ...wrap(command.details, WIDTH)] : []),
    '',
    `Usage: ${[INVOCATION, command.name, ...usage, '[flags]'].join(' ')}`,
    `       ${INVOCATION} ${command.example}`,
    ...(command.formerNames
      ? ['', `Former name, which still works: ${command.formerNames.join(', ')}.`]
      : []),
    ...(positionals.length
      ? ['', ...table(positionals.map(({ name, description }) => [`<${name}>`, description]))]
      : []),
    '',
    ...table(flags.map(flagRow)),
    '',
    'Flags of every command:',
    ...table(COMMON_FLAGS.map(flagRow)),
  ].join('\n');
}

function flagRow(flag: FlagSpec): [string, string] {
  return [`--${flag.name}${valueOf(flag)}`, flag.description + defaultOf(flag)];
}

function valueOf(flag: FlagSpec): string {
  switch (flag.type) {
    case 'flag':
      return '';
    case 'choice':
      return ` ${flag.choices.join('|')}`;
    case 'text':
      return ` <${flag.placeholder ?? 'text'}>`;
    default:
      return ' <number>';
  }
}

function defaultOf(flag: FlagSpec): string {
  return 'default' in flag && flag.default !== undefined && flag.default !== ''
    ? ` (default: ${flag.default})`
    : '';
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const indent = 38;
  return rows.flatMap(([left, right]) => {
    const [first = '', ...rest] = wrap(right, WIDTH - indent);
    const head = `  ${left}`;
    const lines =
      head.length < indent - 1 ? [head.padEnd(indent) + first] : [head, ' '.repeat(indent) + first];
    return [...lines, ...rest.map((line) => ' '.repeat(indent) + line)];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * Flags in the forms that the original's argparse takes: `--name value`, `--name=value`, and `--name` alone for those
 * that are on or off (`--name True` and `--name False` too).
 */
import {
  describeLimits,
  isAllowed,
  numberAdvice,
  type NumberLimits,
} from '../../workers/protocol/number_limits.ts';
import { UsageError } from '../system/errors.ts';
import { nearestName } from './nearest_name.ts';

interface FlagCommon {
  readonly name: string;
  /** Other names of the same flag, from the original's other programs. */
  readonly aliases?: readonly string[];
  /** One sentence, for --help. */
  readonly description: string;
}

export type FlagSpec = FlagCommon &
  (
    | { readonly type: 'flag' }
    | ({ readonly type: 'integer' | 'number'; readonly default?: number } & Omit<
        NumberLimits,
        'isInteger' | 'whenEmpty'
      >)
    | {
        readonly type: 'choice';
        readonly choices: readonly (string | number)[];
        readonly default?: string | number;
      }
    | {
        readonly type: 'text';
        readonly default?: string;
        /** What stands for the value in --help, e.g. `folder`. */
        readonly placeholder?: string;
        /** The value may itself begin with two dashes. */
        readonly takesDashes?: boolean;
      }
  );

export interface PositionalSpec {
  readonly name: string;
  readonly description: string;
  readonly optional?: boolean;
  /** The last one only: any number of them, at least one. */
  readonly repeated?: boolean;
}

export type FlagValue = boolean | number | string;

export interface Arguments {
  readonly positionals: readonly string[];
  /** By the flag's own name; what is not given is absent, unless it has a default. */
  readonly values: Readonly<Record<string, FlagValue | undefined>>;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
}

/**
 * @param argv what follows the command's name
 * @throws UsageError naming the flag or argument, and the nearest known flag for an unknown one
 */
export function parseArguments(
  positionalSpecs: readonly PositionalSpec[],
  flagSpecs: readonly FlagSpec[],
  argv: readonly string[],
): Arguments {
  const specs = new Map(
    flagSpecs.flatMap((spec) => [spec.name, ...(spec.aliases ?? [])].map((name) => [name, spec])),
  );
  const positionals: string[] = [];
  const given = new Map<string, FlagValue>();
  for (let index = 0; index < argv.length; index++) {
    const token = argv[index]!;
    if (token === '--') {
      positionals.push(...argv.slice(index + 1));
      break;
    }
    if (!token.startsWith('-') || token === '-') {
      positionals.push(token);
      continue;
    }
    const equals = token.indexOf('=');
    const name = (equals < 0 ? token : token.slice(0, equals)).replace(/^--?/, '');
    const spec = token.startsWith('--') ? specs.get(name) : undefined;
    if (!spec) throw unknownFlag(equals < 0 ? token : token.slice(0, equals), [...specs.keys()]);
    let text = equals < 0 ? undefined : token.slice(equals + 1);
    if (text === undefined && takesNext(spec, argv[index + 1])) text = argv[++index];
    given.set(spec.name, readValue(spec, text));
  }
  checkPositionals(positionalSpecs, positionals);
  return {
    positionals,
    values: {
      ...Object.fromEntries(
        flagSpecs.map((spec) => [spec.name, 'default' in spec ? spec.default : undefined]),
      ),
      ...Object.fromEntries(given),
    },
    given: new Set(given.keys()),
  };
}

function takesNext(spec: FlagSpec, next: string | undefined): boolean {
  if (next === undefined) return false;
  if (spec.type === 'flag') return /^(true|false)$/i.test(next);
  // A number may be negative; what looks like the next flag is one.
  return (spec.type === 'text' && spec.takesDashes === true) || !next.startsWith('--');
}

function readValue(spec: FlagSpec, text: string | undefined): FlagValue {
  if (spec.type === 'flag') {
    if (text === undefined || /^true$/i.test(text)) return true;
    if (/^false$/i.test(text)) return false;
    throw new UsageError(`--${spec.name} is a switch. It takes True, False or no value, not "${text}".`);
  }
  if (text === undefined) throw new UsageError(`--${spec.name} needs a value: ${describeValue(spec)}.`);
  const bad = (): UsageError => new UsageError(`--${spec.name} takes ${describeValue(spec)}, not "${text}".`);
  switch (spec.type) {
    case 'text':
      return text;
    case 'choice': {
      const choice = spec.choices.find((candidate) => String(candidate).toLowerCase() === text.toLowerCase());
      if (choice === undefined) throw bad();
      return choice;
    }
    case 'integer':
    case 'number': {
      const value = text.trim() === '' ? NaN : Number(text);
      if (!isAllowed(limitsOf(spec), value)) throw bad();
      return value;
    }
  }
}

function describeValue(spec: Exclude<FlagSpec, { type: 'flag' }>): string {
  if (spec.type === 'text') return spec.placeholder ? `a ${spec.placeholder}` : 'text';
  if (spec.type === 'choice') return `one of ${spec.choices.join(', ')}`;
  return describeLimits(limitsOf(spec));
}

type NumberFlag = Extract<FlagSpec, { type: 'integer' | 'number' }>;

/** Of a flag that takes a number. */
function limitsOf(spec: NumberFlag): NumberLimits {
  return { ...spec, isInteger: spec.type === 'integer' };
}

/** A flag that takes a number within these limits. */
export function numberFlag(
  name: string,
  { isInteger, whenEmpty: _noFlag, ...limits }: NumberLimits,
  rest: Pick<FlagSpec, 'description' | 'aliases'> & { readonly default?: number },
): NumberFlag {
  return { name, type: isInteger ? 'integer' : 'number', ...limits, ...rest };
}

/** What is hardly meant about the numbers that were given, a sentence each. */
export function flagAdvice(specs: readonly FlagSpec[], args: Arguments): string[] {
  return specs.flatMap((spec) => {
    if ((spec.type !== 'integer' && spec.type !== 'number') || !args.given.has(spec.name)) return [];
    const advice = numberAdvice(limitsOf(spec), args.values[spec.name]);
    return advice === undefined ? [] : [`--${spec.name}: ${advice}`];
  });
}

function unknownFlag(token: string, known: readonly string[]): UsageError {
  const nearest = nearestName(token.replace(/^-+/, '').replaceAll('-', '_'), known);
  return new UsageError(
    `Unknown flag ${token}.${nearest ? ` Did you mean --${nearest}?` : ''} --help lists all flags.`,
  );
}

function checkPositionals(specs: readonly PositionalSpec[], positionals: readonly string[]): void {
  const missing = specs.slice(positionals.length).find((spec) => !spec.optional);
  if (missing)
    throw new UsageError(`<${missing.name}> is missing: ${missing.description} --help shows the usage.`);
  const extra = positionals[specs.length];
  if (extra !== undefined && !specs.at(-1)?.repeated)
    throw new UsageError(`There is one argument too many: "${extra}". Put quotes around a path with spaces.`);
}

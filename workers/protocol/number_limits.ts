/**
 * What a number may be. The page's fields, the terminal's flags, addresses with settings in them, and the jobs themselves
 * are all held to the tables of limits.ts by these functions, so that they agree and say the same.
 */

export interface NumberLimits {
  readonly minimum?: number;
  readonly maximum?: number;
  /** The bounds themselves are not allowed: 0 < value, value < 1. */
  readonly excludesBounds?: boolean;
  readonly isInteger?: boolean;
  /** What is used where nothing is given, in words; without it a number is needed. */
  readonly whenEmpty?: string;
  /** What an allowed number does that is hardly meant, in one sentence; undefined where nothing is to be said. */
  readonly advice?: (value: number) => string | undefined;
}

export type LimitsTable<Name extends string = string> = Readonly<Record<Name, NumberLimits>>;

export interface NumberProblem<Name extends string = string> {
  readonly name: Name;
  /** One sentence that says what to choose. */
  readonly message: string;
  /** `error`: the job cannot start; `warning`: it would do something that is hardly meant. */
  readonly severity: 'error' | 'warning';
}

export class InvalidNumberError extends Error {
  override name = 'InvalidNumberError';
}

/** `a whole number from 12 to 10000`, `a number above 0 and below 1`, `a number of at least 0` */
export function describeLimits({ minimum, maximum, excludesBounds, isInteger }: NumberLimits): string {
  const kind = isInteger ? 'a whole number' : 'a number';
  if (excludesBounds) {
    const bounds = [
      ...(minimum === undefined ? [] : [`above ${minimum}`]),
      ...(maximum === undefined ? [] : [`below ${maximum}`]),
    ];
    return [kind, bounds.join(' and ')].join(' ');
  }
  if (minimum !== undefined && maximum !== undefined) return `${kind} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${kind} of at least ${minimum}`;
  if (maximum !== undefined) return `${kind} of at most ${maximum}`;
  return kind;
}

/** @param value undefined, null and NaN stand for an empty field */
export function isAllowed(limits: NumberLimits, value: unknown): boolean {
  const { minimum = -Infinity, maximum = Infinity, excludesBounds, isInteger, whenEmpty } = limits;
  if (value === undefined || value === null) return whenEmpty !== undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  if (isInteger && !Number.isSafeInteger(value)) return false;
  return excludesBounds ? value > minimum && value < maximum : value >= minimum && value <= maximum;
}

/** What to enter instead, as a sentence; undefined for a number that is allowed. */
export function numberProblem(limits: NumberLimits, value: unknown): string | undefined {
  if (isAllowed(limits, value)) return undefined;
  const otherwise = limits.whenEmpty === undefined ? '' : `, or nothing for ${limits.whenEmpty}`;
  return `Enter ${describeLimits(limits)}${otherwise}.`;
}

/** What is hardly meant about an allowed number. */
export function numberAdvice(limits: NumberLimits, value: unknown): string | undefined {
  return typeof value === 'number' && isAllowed(limits, value) ? limits.advice?.(value) : undefined;
}

/** @returns what is wrong with the values that the table has limits for, in the table's order */
export function numberProblems<Name extends string>(
  table: LimitsTable<Name>,
  values: Readonly<Partial<Record<NoInfer<Name>, unknown>>>,
): NumberProblem<Name>[] {
  return (Object.keys(table) as Name[]).flatMap((name): NumberProblem<Name>[] => {
    const error = numberProblem(table[name], values[name]);
    if (error !== undefined) return [{ name, message: error, severity: 'error' }];
    const advice = numberAdvice(table[name], values[name]);
    return advice === undefined ? [] : [{ name, message: advice, severity: 'warning' }];
  });
}

/** @throws InvalidNumberError naming the first value that is not allowed, and what is */
export function requireNumbers<Name extends string>(
  table: LimitsTable<Name>,
  values: Readonly<Partial<Record<NoInfer<Name>, unknown>>>,
): void {
  for (const name of Object.keys(table) as Name[])
    if (!isAllowed(table[name], values[name]))
      throw new InvalidNumberError(
        `${name} is ${String(values[name])}; it must be ${describeLimits(table[name])}.`,
      );
}

/** Numbers, sizes, times and rates, with their units, in the reader's own notation. */
export { formatShare } from '../../workers/protocol/format_share.ts';

const integer = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

export function formatCount(value: number): string {
  return integer.format(value);
}

/** `1 photo`, `72 photos` */
export function formatCountOf(value: number, one: string, many = `${one}s`): string {
  return `${integer.format(value)} ${value === 1 ? one : many}`;
}

/** As few digits as tell small shares apart: `0.5%`, `12%`. */
export function formatSmallShare(share: number): string {
  return new Intl.NumberFormat(undefined, { style: 'percent', maximumSignificantDigits: 2 }).format(share);
}

/** A false accept rate that was asked for: `0.1%`. */
export function formatFalseAcceptRate(rate: number): string {
  return new Intl.NumberFormat(undefined, { style: 'percent', maximumSignificantDigits: 3 }).format(rate);
}

export function formatDecimal(value: number, digits = 3): string {
  return new Intl.NumberFormat(undefined, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** As few digits as tell the value: for learning rates and thresholds. */
export function formatSignificant(value: number, digits = 3): string {
  return new Intl.NumberFormat(undefined, { maximumSignificantDigits: digits }).format(value);
}

const BYTE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return new Intl.NumberFormat(undefined, {
    style: 'unit',
    unit: BYTE_UNITS[unit]!,
    unitDisplay: unit === 0 ? 'long' : 'short',
    maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0,
  }).format(value);
}

function formatUnit(value: number, unit: string): string {
  return new Intl.NumberFormat(undefined, {
    style: 'unit',
    unit,
    unitDisplay: 'long',
    maximumFractionDigits: 0,
  }).format(value);
}

/** `45 seconds`, `3 minutes 20 seconds`, `25 minutes`, `2 hours 5 minutes`; parts of zero are left out. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds < 1) return 'less than a second';
  const whole = Math.round(seconds);
  if (whole < 60) return formatUnit(whole, 'second');
  if (whole < 10 * 60) return inTwoParts(whole, 60, 'minute', 'second');
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return formatUnit(minutes, 'minute');
  return inTwoParts(minutes, 60, 'hour', 'minute');
}

function inTwoParts(value: number, size: number, large: string, small: string): string {
  const first = formatUnit(Math.floor(value / size), large);
  return value % size === 0 ? first : `${first} ${formatUnit(value % size, small)}`;
}

/** Three significant digits: `0.85`, `12.4`, `1,240`. */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return '–';
  return formatSignificant(perSecond, perSecond >= 1000 ? 4 : 3);
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

/** `5 minutes ago`, `yesterday` */
export function formatAgo(timeMs: number, nowMs = Date.now()): string {
  const minutes = (timeMs - nowMs) / 60_000;
  if (minutes > -1) return 'just now';
  if (minutes > -60) return relative.format(Math.round(minutes), 'minute');
  if (minutes > -60 * 24) return relative.format(Math.round(minutes / 60), 'hour');
  return relative.format(Math.round(minutes / 60 / 24), 'day');
}

/** `15:16` */
export function formatTimeOfDay(timeMs: number): string {
  return new Intl.DateTimeFormat(undefined, { timeStyle: 'short' }).format(timeMs);
}

export function formatDate(timeMs: number): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(timeMs);
}

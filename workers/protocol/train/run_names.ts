/** How runs are named. */

/**
 * Names for a new run, as the original names runs: yyyymmdd-hhmmss in local time, then those of the seconds after it for
 * runs that begin within one second.
 */
export function* runNames(now = new Date()): Generator<string, never> {
  const digits = (value: number, length = 2): string => String(value).padStart(length, '0');
  for (let atMs = now.getTime(); ; atMs += 1000) {
    const at = new Date(atMs);
    yield (
      `${digits(at.getFullYear(), 4)}${digits(at.getMonth() + 1)}${digits(at.getDate())}` +
      `-${digits(at.getHours())}${digits(at.getMinutes())}${digits(at.getSeconds())}`
    );
  }
}

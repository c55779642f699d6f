/** Helpers for the text of WGSL shaders, and limits that every WebGPU device has. */

/** The largest number of workgroups along one axis that every WebGPU device supports. */
export const MAXIMUM_WORKGROUPS = 65535;

/** `count` lines made by `line`, for unrolled code. */
export function unroll(count: number, line: (index: number) => string, separator = '\n'): string {
  return Array.from({ length: count }, (_, index) => line(index)).join(separator);
}

/** A float as a WGSL literal. */
export function float(value: number): string {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? text : `${text}.0`;
}

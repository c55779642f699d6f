/**
 * Sums down the columns and along the rows of a matrix. On a real GPU, a workgroup shares each sum. On a software
 * adapter, one thread computes a whole sum, because a barrier costs more there. The order of the additions is fixed in
 * both cases.
 */
import type { Memory } from '../tensor_view.ts';
import { matrixView, type TensorView } from '../tensor_view.ts';
import { unroll } from '../../../gpu/wgsl.ts';
import { type Kernel, type KernelBuilder } from './kernel.ts';

/** Whether one thread computes a sum, or a workgroup shares it. One thread is faster if workgroup memory is slow. */
export type Cooperation = 'alone' | 'workgroup';

const SHARED_THREADS = 256;
const ALONE_THREADS = 64;

/** The rows of a column sum are cut into this many parts. Each part is summed separately; the reader adds the parts. */
export const COLUMN_PARTS = 16;

export interface ColumnParts {
  readonly parts: number;
  readonly rowsPerPart: number;
  /** [parts · sums, channels rounded up to 4] */
  readonly view: TensorView;
}

export function columnPartsLayout(
  rows: number,
  channels: number,
): { parts: number; rowsPerPart: number; floats: number } {
  const rowsPerPart = Math.ceil(rows / Math.min(COLUMN_PARTS, rows));
  const parts = Math.ceil(rows / rowsPerPart);
  return { parts, rowsPerPart, floats: parts * 2 * Math.ceil(channels / 4) * 4 };
}

export function columnParts(memory: Memory, rows: number, channels: number): ColumnParts {
  const { parts, rowsPerPart } = columnPartsLayout(rows, channels);
  return { parts, rowsPerPart, view: matrixView(memory, 2 * parts, Math.ceil(channels / 4) * 4) };
}

/**
 * The sums over the rows of each part, for each group of 4 channels.
 * @param code `prepare` can use `group_index` and the part's `first_row`; `add` can use `row` and adds to `sum_0` (and
 *   `sum_1`); `finish` can use the complete sums, `row_count` and `part`
 */
export function columnSums(
  builder: KernelBuilder,
  options: {
    readonly name: string;
    readonly rows: number;
    readonly channels: number;
    readonly sums: 1 | 2;
    readonly cooperation: Cooperation;
    readonly code: { readonly prepare: string; readonly add: string; readonly finish: string };
  },
): Kernel {
  const { name, rows, channels, sums, cooperation, code } = options;
  const { parts, rowsPerPart } = columnPartsLayout(rows, channels);
  const groups = Math.ceil(channels / 4);
  const declareSums = unroll(sums, (i) => `  var sum_${i} = vec4f(0);`);
  const partRows = builder.u(rowsPerPart);
  const span = `  let first_row = part * ${partRows};
  let end_row = min(first_row + ${partRows}, ${builder.u(rows)});
  let row_count = f32(end_row - first_row);`;
  if (cooperation === 'alone')
    return builder.build({
      name,
      workgroupSize: ALONE_THREADS,
      groups: Math.ceil((parts * groups) / ALONE_THREADS),
      body: `
  let thread = group * ${ALONE_THREADS}u + lane;
  if (thread >= ${builder.u(parts * groups)}) { return; }
  let group_index = thread % ${builder.u(groups)};
  let part = thread / ${builder.u(groups)};
${span}
${declareSums}
  ${code.prepare}
  for (var row = first_row; row < end_row; row++) {
    ${code.add}
  }
  ${code.finish}`,
    });
  // Neighbouring threads of a workgroup take neighbouring groups, then rows.
  const across = Math.min(powerOfTwoAtLeast(groups), 16);
  const down = SHARED_THREADS / across;
  const blocks = Math.ceil(groups / across);
  builder.declare(unroll(sums, (i) => `var<workgroup> shared_${i}: array<vec4f, ${SHARED_THREADS}>;`));
  return builder.build({
    name,
    workgroupSize: SHARED_THREADS,
    groups: parts * blocks,
    body: `
  let part = group / ${builder.u(blocks)};
  let wanted_group = (group % ${builder.u(blocks)}) * ${across}u + lane % ${across}u;
  let group_index = min(wanted_group, ${builder.u(groups - 1)});
${span}
${declareSums}
  ${code.prepare}
  for (var row = first_row + lane / ${across}u; row < end_row; row += ${down}u) {
    ${code.add}
  }
${unroll(sums, (i) => `  shared_${i}[lane] = sum_${i};`)}
  for (var half = ${down / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half * ${across}u) {
${unroll(sums, (i) => `      shared_${i}[lane] += shared_${i}[lane + half * ${across}u];`)}
    }
  }
  if (lane < ${across}u && wanted_group < ${builder.u(groups)}) {
${unroll(sums, (i) => `    sum_${i} = shared_${i}[lane];`)}
    ${code.finish}
  }`,
  });
}

/** How a kernel divides whole rows among its threads. */
export interface RowThreads {
  readonly workgroupSize: number;
  readonly groups: number;
  /** Number of threads per row. */
  readonly lanes: number;
  /** Code that sets `row` and `lane_of_row`, and ends threads without a row. */
  readonly begin: string;
}

/** @param lanes threads per row, if a workgroup shares a row */
export function rowThreads(
  builder: KernelBuilder,
  rows: number,
  cooperation: Cooperation,
  lanes = 64,
): RowThreads {
  return cooperation === 'alone'
    ? {
        workgroupSize: ALONE_THREADS,
        groups: Math.ceil(rows / ALONE_THREADS),
        lanes: 1,
        begin: `let row = group * ${ALONE_THREADS}u + lane;
  if (row >= ${builder.u(rows)}) { return; }
  let lane_of_row = 0u;`,
      }
    : {
        workgroupSize: lanes,
        groups: rows,
        lanes,
        begin: 'let row = group;\n  let lane_of_row = lane;',
      };
}

/**
 * Code that combines one value from each thread of a row and gives all threads the result.
 * @param shared the name of an array in workgroup memory, which this function declares
 * @param combine an expression of two values `a` and `b`
 */
export function combineLanes(
  builder: KernelBuilder,
  threads: RowThreads,
  shared: string,
  type: string,
  combine: (a: string, b: string) => string,
): (value: string) => string {
  if (threads.lanes === 1) return () => '';
  builder.declare(`var<workgroup> ${shared}: array<${type}, ${threads.lanes}>;`);
  return (value) => `
  workgroupBarrier();
  ${shared}[lane] = ${value};
  for (var half = ${threads.lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { ${shared}[lane] = ${combine(`${shared}[lane]`, `${shared}[lane + half]`)}; }
  }
  workgroupBarrier();
  ${value} = ${shared}[0];`;
}

function powerOfTwoAtLeast(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

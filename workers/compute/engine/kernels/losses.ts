/**
 * The losses on prelogits and logits with their gradients, as workers/compute/step/losses.ts defines them, and the
 * step's metrics. Rows from the step's count on are left out: a short batch has no images for them.
 */
import { matrixView, rowsOf, type BufferRegion, type Memory, type TensorView } from '../tensor_view.ts';
import { STEP_STRUCT } from '../step_values.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { float } from '../../../gpu/wgsl.ts';
import { scaledByLoss } from './loss_scale.ts';
import { combineLanes, rowThreads, type Cooperation } from './reductions.ts';

/** Number of columns in the results of a row. */
const ROW_RESULTS = 4;
const PRELOGITS_NORM_EPSILON = 1e-4;

export function rowResultsFloats(rows: number): number {
  return rows * ROW_RESULTS;
}

/** The order of the metrics in their buffer. */
export const METRICS = [
  'crossEntropy',
  'accuracy',
  'prelogitsNorm',
  'centerLoss',
  'squaredWeights',
  'gradientNorm',
] as const;
export const METRIC_FLOATS = 8;

/**
 * Softmax cross entropy of each row, and whether the label has its largest logit (the first one, if several are equal).
 * @param results [rows, 4]: cross entropy and correctness are written to columns 0 and 1
 * @param buffers includes the loss scale, if the gradients are to be multiplied by it
 * @param gradient gets the gradient of the mean over the batch; left out for evaluation
 */
export function crossEntropy(
  logits: TensorView,
  buffers: {
    readonly labels: BufferRegion;
    readonly step: BufferRegion;
    readonly lossScale?: BufferRegion | undefined;
  },
  results: Memory,
  gradient: TensorView | undefined,
  cooperation: Cooperation,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('labels', buffers.labels, 'i32');
  builder.memory('step', buffers.step, 'Step', 'uniform');
  builder.memory('results', results, 'f32', 'write');
  builder.view('logits', logits, 'read');
  if (gradient) builder.view('gradient', gradient, 'write');
  const lossFactor = scaledByLoss(builder, buffers.lossScale);
  const rows = rowsOf(logits);
  const groups = Math.ceil(logits.channels / 4);
  const threads = rowThreads(builder, rows, cooperation);
  const best = combineLanes(
    builder,
    threads,
    'shared_best',
    'vec2f',
    (a, b) => `select(${a}, ${b}, ${b}.x > ${a}.x || (${b}.x == ${a}.x && ${b}.y < ${a}.y))`,
  );
  const total = combineLanes(builder, threads, 'shared_sum', 'f32', (a, b) => `${a} + ${b}`);
  const loop = (code: string): string =>
    `for (var g = lane_of_row; g < ${groups}u; g += ${threads.lanes}u) {
    let values = load_logits(row, g);
    ${code}
  }`;
  const lastLanes = logits.channels % 4 === 0 ? 4 : logits.channels % 4;
  const lanesOfGroup = `select(4u, ${lastLanes}u, g == ${groups - 1}u)`;
  return builder.build({
    name: 'softmax cross entropy',
    workgroupSize: threads.workgroupSize,
    groups: threads.groups,
    body: `
  ${threads.begin}
  // The largest logit and its place.
  var best = vec2f(-3.4e38, 3.4e38);
  ${loop(`for (var i = 0u; i < ${lanesOfGroup}; i++) {
      if (values[i] > best.x) { best = vec2f(values[i], f32(4u * g + i)); }
    }`)}
  ${best('best')}
  var sum = 0.0;
  ${loop(`for (var i = 0u; i < ${lanesOfGroup}; i++) { sum += exp(values[i] - best.x); }`)}
  ${total('sum')}
  let log_sum = log(sum);
  let counts = row < step.count;
  let label = u32(max(labels[row], 0));
  if (lane_of_row == 0u) {
    let of_label = load_logits(row, label / 4u)[label % 4u];
    results[row * ${ROW_RESULTS}u] = select(0.0, log_sum - (of_label - best.x), counts);
    results[row * ${ROW_RESULTS}u + 1u] = select(0.0, 1.0, counts && u32(best.y) == label);
  }
  ${
    gradient
      ? loop(`let share = exp(values - best.x) / sum;
    let places = vec4u(4u * g) + vec4u(0, 1, 2, 3);
    store_gradient(row, g, select(vec4f(0), (share - select(vec4f(0), vec4f(1), places == vec4u(label))) / f32(step.count)${lossFactor}, counts));`)
      : ''
  }`,
  });
}

export interface PrelogitsLosses {
  readonly normFactor: number;
  readonly normP: number;
  readonly centerFactor: number;
}

/**
 * Writes, for each row, ‖ |prelogits| + 1e−4 ‖_p and the mean squared distance to the label's centre to columns 2 and
 * 3 of the results. Also writes the gradient of both losses if one is requested (zero if both factors are zero).
 * @param centers if absent, all centres are zero
 */
export function prelogitsLosses(
  prelogits: TensorView,
  buffers: {
    readonly labels: BufferRegion;
    readonly step: BufferRegion;
    readonly centers?: BufferRegion | undefined;
    readonly lossScale?: BufferRegion | undefined;
  },
  results: Memory,
  gradient: TensorView | undefined,
  { normFactor, normP, centerFactor }: PrelogitsLosses,
  cooperation: Cooperation,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('labels', buffers.labels, 'i32');
  builder.memory('step', buffers.step, 'Step', 'uniform');
  builder.memory('results', results, 'f32', 'write');
  builder.view('prelogits', prelogits, 'read');
  if (gradient) builder.view('gradient', gradient, 'write');
  const lossFactor = scaledByLoss(builder, buffers.lossScale);
  const size = prelogits.channels;
  if (buffers.centers)
    builder.view(
      'centers',
      matrixView(buffers.centers, Math.floor(buffers.centers.floats / size), size),
      'read',
    );
  const rows = rowsOf(prelogits);
  const groups = Math.ceil(size / 4);
  const threads = rowThreads(builder, rows, cooperation);
  const total = combineLanes(builder, threads, 'shared_sums', 'vec2f', (a, b) => `${a} + ${b}`);
  const tail = size % 4;
  const existing =
    tail === 0
      ? 'vec4f(1)'
      : `select(vec4f(1), vec4f(${[0, 1, 2, 3].map((i) => (i < tail ? 1 : 0)).join(', ')}), g == ${groups - 1}u)`;
  const power = (exponent: number): string =>
    exponent === 0
      ? 'vec4f(1)'
      : exponent === 1
        ? 'magnitude'
        : exponent === 2
          ? 'magnitude * magnitude'
          : `pow(magnitude, vec4f(${float(exponent)}))`;
  const loop = (code: string): string =>
    `for (var g = lane_of_row; g < ${groups}u; g += ${threads.lanes}u) {
    let value = load_prelogits(row, g);
    let magnitude = abs(value) + ${float(PRELOGITS_NORM_EPSILON)};
    let difference = value${buffers.centers ? ' - load_centers(label, g)' : ''};
    ${code}
  }`;
  return builder.build({
    name: 'prelogits losses',
    workgroupSize: threads.workgroupSize,
    groups: threads.groups,
    body: `
  ${threads.begin}
  let counts = row < step.count;
  let label = u32(max(labels[row], 0));
  var sums = vec2f(0);
  ${loop(`sums += vec2f(dot(${power(normP)}, ${existing}), dot(difference, difference));`)}
  ${total('sums')}
  let norm = ${normP === 1 ? 'sums.x' : normP === 2 ? 'sqrt(sums.x)' : `pow(sums.x, ${float(1 / normP)})`};
  if (lane_of_row == 0u) {
    results[row * ${ROW_RESULTS}u + 2u] = select(0.0, norm, counts);
    results[row * ${ROW_RESULTS}u + 3u] = select(0.0, sums.y * ${float(1 / size)}, counts);
  }
  ${
    gradient
      ? `let norm_slope = ${float(normFactor)} / f32(step.count)${normP === 1 ? '' : ` * pow(norm, ${float(1 - normP)})`};
  let center_slope = ${float((2 * centerFactor) / size)} / f32(step.count);
  ${loop(`let slope = norm_slope * ${power(normP - 1)} * sign(value) + center_slope * difference;
    store_gradient(row, g, select(vec4f(0), slope${lossFactor}, counts));`)}`
      : ''
  }`,
  });
}

/** c ← c − (1 − alfa)(c − prelogits) for the labels of the batch. All differences use the centres before the step. */
export function updateCenters(
  prelogits: TensorView,
  buffers: { readonly labels: BufferRegion; readonly step: BufferRegion; readonly centers: BufferRegion },
  alfa: number,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('labels', buffers.labels, 'i32');
  builder.memory('step', buffers.step, 'Step', 'uniform');
  builder.view('prelogits', prelogits, 'read');
  const size = prelogits.channels;
  builder.view(
    'centers',
    matrixView(buffers.centers, Math.floor(buffers.centers.floats / size), size),
    'write',
  );
  const groups = Math.ceil(size / 4);
  const rows = rowsOf(prelogits);
  return builder.build({
    name: 'center update',
    workgroupSize: 64,
    groups: Math.ceil((rows * groups) / 64),
    body: `
  let thread = group * 64u + lane;
  let row = thread / ${groups}u;
  let g = thread % ${groups}u;
  if (row >= step.count) { return; }
  // The first row of a class does the work for all rows of that class, in order.
  let label = labels[row];
  for (var other = 0u; other < row; other++) { if (labels[other] == label) { return; } }
  let center = load_centers(u32(label), g);
  var result = center;
  for (var other = row; other < step.count; other++) {
    if (labels[other] == label) { result -= ${float(1 - alfa)} * (center - load_prelogits(other, g)); }
  }
  store_centers(u32(label), g, result);`,
  });
}

/**
 * The means of the rows' results over the step's count, and the sum of the parts of the squared weights.
 * @param usedColumns number of used columns in the results: 2 for evaluation, 4 with the losses on the prelogits
 */
export function metrics(
  buffers: { readonly metrics: BufferRegion; readonly step: BufferRegion },
  results: Memory,
  usedColumns: 2 | 4,
  squares: { readonly memory: Memory; readonly parts: number } | undefined,
  cooperation: Cooperation,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('step', buffers.step, 'Step', 'uniform');
  builder.memory('metrics', buffers.metrics, 'f32', 'write');
  builder.memory('results', results, 'f32');
  if (squares) builder.memory('squares', squares.memory, 'f32');
  const threads = rowThreads(builder, 1, cooperation, 256);
  const total = combineLanes(builder, threads, 'shared_sum', 'f32', (a, b) => `${a} + ${b}`);
  return builder.build({
    name: 'metrics',
    workgroupSize: threads.workgroupSize,
    groups: 1,
    body: `
  ${threads.begin}
  var sum = 0.0;
  ${squares ? `for (var part = lane_of_row; part < ${squares.parts}u; part += ${threads.lanes}u) { sum += squares[part]; }` : ''}
  ${total('sum')}
  if (lane_of_row != 0u) { return; }
  var sums = vec4f(0);
  for (var other = 0u; other < step.count; other++) {
${[0, 1, 2, 3]
  .slice(0, usedColumns)
  .map((column) => `    sums[${column}] += results[other * ${ROW_RESULTS}u + ${column}u];`)
  .join('\n')}
  }
  sums /= f32(step.count);
  metrics[0] = sums.x;
  metrics[1] = sums.y;
  metrics[2] = sums.z;
  metrics[3] = sums.w;
  metrics[4] = sum;`,
  });
}

/** The square root of the sum of the parts of the squared gradients, for the metrics. */
export function gradientNorm(
  metrics: BufferRegion,
  squares: { readonly memory: Memory; readonly parts: number },
  cooperation: Cooperation,
): Kernel {
  const builder = new KernelBuilder();
  builder.memory('metrics', metrics, 'f32', 'write');
  builder.memory('squares', squares.memory, 'f32');
  const threads = rowThreads(builder, 1, cooperation, 256);
  const total = combineLanes(builder, threads, 'shared_sum', 'f32', (a, b) => `${a} + ${b}`);
  return builder.build({
    name: 'gradient norm',
    workgroupSize: threads.workgroupSize,
    groups: 1,
    body: `
  ${threads.begin}
  var sum = 0.0;
  for (var part = lane_of_row; part < ${squares.parts}u; part += ${threads.lanes}u) { sum += squares[part]; }
  ${total('sum')}
  if (lane_of_row == 0u) { metrics[${METRICS.indexOf('gradientNorm')}] = sqrt(sum); }`,
  });
}

/** x / √max(Σx², epsilon) for each row. */
export function l2Normalize(
  input: TensorView,
  output: TensorView,
  epsilon: number,
  cooperation: Cooperation,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('output', output, 'write');
  const groups = Math.ceil(input.channels / 4);
  const threads = rowThreads(builder, rowsOf(input), cooperation);
  const total = combineLanes(builder, threads, 'shared_sum', 'f32', (a, b) => `${a} + ${b}`);
  const loop = (code: string): string =>
    `for (var g = lane_of_row; g < ${groups}u; g += ${threads.lanes}u) {
    let value = load_input(row, g);
    ${code}
  }`;
  return builder.build({
    name: 'l2 normalize',
    workgroupSize: threads.workgroupSize,
    groups: threads.groups,
    body: `
  ${threads.begin}
  var sum = 0.0;
  ${loop('sum += dot(value, value);')}
  ${total('sum')}
  let factor = 1.0 / sqrt(max(sum, ${float(epsilon)}));
  ${loop('store_output(row, g, value * factor);')}`,
  });
}

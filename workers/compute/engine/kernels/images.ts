/**
 * From stored uint8 pixels to the input of the network: rotate, crop or pad, flip, then standardise, as defined in
 * workers/compute/step/augmentation.ts. Pixels are uploaded unchanged, with four bytes per word.
 */
import type { ImageBatch } from '../../executor.ts';
import { rowsOf, type BufferRegion, type TensorView } from '../tensor_view.ts';
import { STEP_STRUCT } from '../step_values.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { float } from '../../../gpu/wgsl.ts';
import { combineLanes, rowThreads, type Cooperation } from './reductions.ts';

const WORKGROUP_SIZE = 64;

/** Words per transform of an image: offset x, offset y, flip, rotated (integers); cosine, sine (floats); two unused. */
export const TRANSFORM_WORDS = 8;

/** Encodes the transforms of a batch for `cropImages`. */
export function encodeTransforms({ count, transforms }: ImageBatch): Int32Array<ArrayBuffer> {
  const words = new Int32Array(count * TRANSFORM_WORDS);
  const floats = new Float32Array(words.buffer);
  for (let index = 0; index < count; index++) {
    const at = index * TRANSFORM_WORDS;
    const angle = (transforms.angleDegrees[index]! * Math.PI) / 180;
    words[at] = transforms.offsetX[index]!;
    words[at + 1] = transforms.offsetY[index]!;
    words[at + 2] = transforms.flip[index]!;
    words[at + 3] = angle === 0 ? 0 : 1;
    floats[at + 4] = Math.cos(angle);
    floats[at + 5] = Math.sin(angle);
  }
  return words;
}

/**
 * Raw pixels 0 … 255 as floats, or, with the fixed standardisation, (p − 127.5)/128.
 * @param output RGB; if its stride has room for a fourth channel, that is not written
 */
export function cropImages(
  name: string,
  buffers: { readonly pixels: BufferRegion; readonly transforms: BufferRegion; readonly step: BufferRegion },
  output: TensorView,
  standardizeFixed: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('pixels', buffers.pixels, 'u32');
  builder.memory('transforms', buffers.transforms, 'i32');
  builder.memory('step', buffers.step, 'Step', 'uniform');
  builder.view('output', output, 'write');
  builder.declare(`fn stored(image: i32, y: i32, x: i32) -> vec3f {
  let at = ((u32(image) * step.stored_height + u32(y)) * step.stored_width + u32(x)) * 3u;
  return vec3f(byte(at), byte(at + 1u), byte(at + 2u));
}
fn byte(at: u32) -> f32 { return f32((pixels[at / 4u] >> (8u * (at % 4u))) & 255u); }
// The cubic kernel of Keys 1981 with a = −0.5.
fn cubic_weight(distance: f32) -> f32 {
  let x = abs(distance);
  if (x < 1.0) { return (1.5 * x - 2.5) * x * x + 1.0; }
  if (x < 2.0) { return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0; }
  return 0.0;
}
fn rotated(image: i32, y: i32, x: i32, cosine: f32, sine: f32) -> vec3f {
  let height = f32(step.stored_height);
  let width = f32(step.stored_width);
  let dx = f32(x) + 0.5 - 0.5 * width;
  let dy = f32(y) + 0.5 - 0.5 * height;
  let source_x = cosine * dx - sine * dy + 0.5 * width;
  let source_y = sine * dx + cosine * dy + 0.5 * height;
  if (source_x < 0.0 || source_x >= width || source_y < 0.0 || source_y >= height) { return vec3f(0); }
  let left = floor(source_x - 0.5);
  let top = floor(source_y - 0.5);
  var sum = vec3f(0);
  for (var j = -1; j <= 2; j++) {
    let row = clamp(i32(top) + j, 0, i32(step.stored_height) - 1);
    var row_sum = vec3f(0);
    for (var i = -1; i <= 2; i++) {
      let column = clamp(i32(left) + i, 0, i32(step.stored_width) - 1);
      row_sum += stored(image, row, column) * cubic_weight(source_x - 0.5 - (left + f32(i)));
    }
    sum += row_sum * cubic_weight(source_y - 0.5 - (top + f32(j)));
  }
  return clamp(floor(sum + 0.5), vec3f(0), vec3f(255));
}`);
  const pixels = rowsOf(output);
  return builder.build({
    name,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(pixels / WORKGROUP_SIZE),
    body: `
  let row = group * ${WORKGROUP_SIZE}u + lane;
  if (row >= ${builder.u(pixels)}) { return; }
  let image = i32(row / ${output.height * output.width}u);
  let y = i32((row / ${output.width}u) % ${output.height}u) + transforms[image * ${TRANSFORM_WORDS} + 1];
  let column = i32(row % ${output.width}u);
  let x = select(column, ${output.width - 1} - column, transforms[image * ${TRANSFORM_WORDS} + 2] == 1) + transforms[image * ${TRANSFORM_WORDS}];
  var pixel = vec3f(0);
  if (x >= 0 && x < i32(step.stored_width) && y >= 0 && y < i32(step.stored_height)) {
    if (transforms[image * ${TRANSFORM_WORDS} + 3] == 1) {
      pixel = rotated(image, y, x, bitcast<f32>(transforms[image * ${TRANSFORM_WORDS} + 4]), bitcast<f32>(transforms[image * ${TRANSFORM_WORDS} + 5]));
    } else {
      pixel = stored(image, y, x);
    }
  }
  store_output(row, 0u, vec4f(${standardizeFixed ? '(pixel - 127.5) * 0.0078125' : 'pixel'}, 0));`,
  });
}

/** Sets each image to (p − mean)/max(deviation, 1/√N), in place. A second pass sums the deviation about the mean. */
export function standardizeImages(name: string, images: TensorView, cooperation: Cooperation): Kernel {
  const builder = new KernelBuilder();
  builder.view('output', images, 'write');
  const threads = rowThreads(builder, images.batch, cooperation, 256);
  const total = combineLanes(builder, threads, 'shared_sum', 'f32', (a, b) => `${a} + ${b}`);
  const pixels = images.height * images.width;
  const loop = (code: string): string =>
    `for (var pixel = lane_of_row; pixel < ${pixels}u; pixel += ${threads.lanes}u) {
    let at = row * ${pixels}u + pixel;
    let value = load_output(at, 0u).xyz;
    ${code}
  }`;
  return builder.build({
    name,
    workgroupSize: threads.workgroupSize,
    groups: threads.groups,
    body: `
  ${threads.begin}
  // The pixels are integers: this sum is exact.
  var whole = 0u;
  ${loop('whole += u32(value.x) + u32(value.y) + u32(value.z);')}
  var mean = f32(whole) * ${float(1 / (3 * pixels))};
  ${total('mean')}
  var squares = 0.0;
  ${loop('let difference = value - mean; squares += dot(difference, difference);')}
  ${total('squares')}
  let factor = 1.0 / max(sqrt(squares * ${float(1 / (3 * pixels))}), ${float(1 / Math.sqrt(3 * pixels))});
  ${loop('store_output(at, 0u, vec4f((value - mean) * factor, 0));')}`,
  });
}

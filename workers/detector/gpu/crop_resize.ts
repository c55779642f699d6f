/** Resizes boxes of photos for R-Net or O-Net like `cropForNetwork` of crops.ts, in single precision. */
import type { Box } from '../boxes.ts';
import type { AxisWeightsList } from './axis_weights.ts';
import { PHOTO_WGSL, type PlacedPhoto } from './photo_bytes.ts';
import { BEGIN_THREAD, ENTRY_POINT, TableShape, type EncodedTable } from './tables.ts';

const TABLE = new TableShape([
  'has_area',
  'left',
  'top',
  'word',
  'width',
  'height',
  'horizontal',
  'vertical',
] as const);

export interface PhotoBox {
  readonly photo: PlacedPhoto;
  readonly box: Box;
}

/** The table for a dispatch that writes [boxes, size, size, 4] to the beginning of the target. */
export function cropTable(boxes: readonly PhotoBox[], size: number, weights: AxisWeightsList): EncodedTable {
  return TABLE.encode(
    boxes.map(({ photo, box }) => {
      const [width, height] = [box.x2 - box.x1 + 1, box.y2 - box.y1 + 1];
      const hasArea = width >= 1 && height >= 1;
      const axes = hasArea ? weights.place(width, height, size, size) : { horizontal: 0, vertical: 0 };
      return {
        threads: size * size,
        values: {
          has_area: hasArea ? 1 : 0,
          // These may be negative; the shader reads them as signed.
          left: box.x1 - 1,
          top: box.y1 - 1,
          word: photo.word,
          width: photo.width,
          height: photo.height,
          ...axes,
        },
      };
    }),
    [size],
  );
}

export function cropShader(): string {
  return `${TABLE.wgsl}
${PHOTO_WGSL}

${ENTRY_POINT} {
  ${BEGIN_THREAD}
  let size = table.number;
  // All crops have the same size.
  let crop = thread / (size * size);
  let entry = table.entries[crop];
  let place = thread % (size * size);
  let x = place % size;
  let y = place / size;
  let out = (crop * size + x) * size + y;
  if (entry.has_area == 0u) {
    target_values[out] = vec4f(0);
    return;
  }
  let across = span_at(entry.horizontal, x);
  let down = span_at(entry.vertical, y);
  let left = i32(entry.left) + i32(across.first);
  let top = i32(entry.top) + i32(down.first);
  let begin_column = max(-left, 0);
  let end_column = min(i32(across.count), i32(entry.width) - left);
  let begin_row = max(-top, 0);
  let end_row = min(i32(down.count), i32(entry.height) - top);
  var sum = vec3f(0);
  for (var j = begin_row; j < end_row; j++) {
    var row = vec3f(0);
    for (var i = begin_column; i < end_column; i++) {
      let pixel = pixel_at(entry.word, u32(top + j) * entry.width + u32(left + i));
      row += vec3f(pixel) * bitcast<f32>(constants[across.weights + u32(i)]);
    }
    sum += row * bitcast<f32>(constants[down.weights + u32(j)]);
  }
  target_values[out] = normalized(sum);
}
`;
}

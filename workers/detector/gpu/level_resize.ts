/**
 * Makes columns of a photo's pyramid level, bit-identical to `pyramidLevel` of crops.ts: whole grey levels. One thread
 * makes one pixel from the pixels of the photo. As there, each row is summed before the rows are added.
 */
import { AxisWeightsList, SPAN_WORDS } from './axis_weights.ts';
import { PHOTO_WGSL, type PlacedPhoto } from './photo_bytes.ts';
import { BEGIN_THREAD, ENTRY_POINT, TableShape, wordOf, type EncodedTable } from './tables.ts';

const TABLE = new TableShape([
  'rows',
  'columns',
  'out_at',
  'word',
  'width',
  'horizontal',
  'vertical',
  'blocks',
  'block_width',
  'block_height',
  'block_share',
] as const);

/** Columns `from` to `from + columns − 1` of a level of `width` × `height`. */
export interface LevelPart {
  readonly photo: PlacedPhoto;
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly columns: number;
  /** The place of the result [columns, height, 4], in vectors. */
  readonly at: number;
}

/** How averages of whole blocks are rounded; see `averageBlocks` of resize_area.ts. */
const BLOCKS = { none: 0, halvesUp: 1, halvesToEven: 2 } as const;

export function levelTable(parts: readonly LevelPart[], weights: AxisWeightsList): EncodedTable {
  return TABLE.encode(
    parts.map(({ photo, width, height, from, columns, at }) => {
      const [blockWidth, blockHeight] = [photo.width / width, photo.height / height];
      const isWhole = Number.isInteger(blockWidth) && Number.isInteger(blockHeight);
      const axes = isWhole ? undefined : weights.place(photo.width, photo.height, width, height);
      return {
        threads: columns * height,
        values: {
          // The networks see a transposed photo: a column of the photo is a row.
          rows: columns,
          columns: height,
          out_at: at,
          word: photo.word,
          width: photo.width,
          horizontal: axes ? axes.horizontal + SPAN_WORDS * from : from,
          vertical: axes?.vertical ?? 0,
          blocks: !isWhole
            ? BLOCKS.none
            : blockWidth === 2 && blockHeight === 2
              ? BLOCKS.halvesUp
              : BLOCKS.halvesToEven,
          block_width: isWhole ? blockWidth : 0,
          block_height: isWhole ? blockHeight : 0,
          block_share: wordOf(isWhole ? 1 / (blockWidth * blockHeight) : 0),
        },
      };
    }),
  );
}

export function levelShader(): string {
  return `${TABLE.wgsl}
${PHOTO_WGSL}

fn averaged(entry: Entry, x: u32, y: u32) -> vec3f {
  var sum = vec3u(0);
  for (var row = y * entry.block_height; row < (y + 1u) * entry.block_height; row++) {
    for (var column = x * entry.block_width; column < (x + 1u) * entry.block_width; column++) {
      sum += pixel_at(entry.word, row * entry.width + column);
    }
  }
  if (entry.blocks == ${BLOCKS.halvesUp}u) { return vec3f((sum + 2u) >> vec3u(2)); }
  return round(rounded(vec3f(sum) * bitcast<f32>(entry.block_share)));
}

fn resized(entry: Entry, x: u32, y: u32) -> vec3f {
  let across = span_at(entry.horizontal, x);
  let down = span_at(entry.vertical, y);
  var sum = vec3f(0);
  for (var j = 0u; j < down.count; j++) {
    let start = (down.first + j) * entry.width + across.first;
    var row = vec3f(0);
    for (var i = 0u; i < across.count; i++) {
      row += rounded(vec3f(pixel_at(entry.word, start + i)) * bitcast<f32>(constants[across.weights + i]));
    }
    sum += rounded(row * bitcast<f32>(constants[down.weights + j]));
  }
  return round(sum);
}

${ENTRY_POINT} {
  ${BEGIN_THREAD}
  let entry = table.entries[entry_of(thread)];
  let place = thread - entry.first;
  // Neighbouring threads read neighbouring pixels.
  let x = place % entry.rows;
  let y = place / entry.rows;
  var value = vec3f(0);
  if (entry.blocks == ${BLOCKS.none}u) { value = resized(entry, x, y); }
  else { value = averaged(entry, entry.horizontal + x, y); }
  target_values[entry.out_at + x * entry.columns + y] = normalized(value);
}
`;
}

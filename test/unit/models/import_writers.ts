/** Writes files of other programs after the descriptions of their formats, for tests of the readers. */
import h5wasm from 'h5wasm/node';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { maskedCrc32c } from '../../../workers/formats/tensorboard_events.ts';
import { ProtobufWriter } from '../../../workers/formats/protobuf_writer.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';

/** torch.save of PyTorch 1.13: a (3 × 2, transposed), b (float16), c (a number), d (a view of a parameter). */
export const PYTORCH_ZIP = Buffer.from(
  'UEsDBAAACAgAAAAAAAAAAAAAAAAAAAAAAAASABAAc21hbGxfemlwL2RhdGEucGtsRkIMAFpaWlpaWlpaWlpaWoACfXEAKFgIAAAAYS53ZWlnaHRxAWN0b3JjaC5fdXRpbHMKX3JlYnVpbGRfdGVuc29yX3YyCnECKChYBwAAAHN0b3JhZ2VxA2N0b3JjaApGbG9hdFN0b3JhZ2UKcQRYAQAAADBxBVgDAAAAY3B1cQZLBnRxB1FLAEsDSwKGcQhLAUsDhnEJiWNjb2xsZWN0aW9ucwpPcmRlcmVkRGljdApxCilScQt0cQxScQ1YAQAAAGJxDmgCKChoA2N0b3JjaApIYWxmU3RvcmFnZQpxD1gBAAAAMXEQaAZLAnRxEVFLAEsChXESSwGFcROJaAopUnEUdHEVUnEWWAEAAABjcRdoAigoaANjdG9yY2gKTG9uZ1N0b3JhZ2UKcRhYAQAAADJxGWgGSwF0cRpRSwApKYloCilScRt0cRxScR1YAQAAAGRxHmN0b3JjaC5fdXRpbHMKX3JlYnVpbGRfcGFyYW1ldGVyCnEfaAIoKGgDaARYAQAAADNxIGgGSwR0cSFRSwFLAoVxIksBhXEjiWgKKVJxJHRxJVJxJohoCilScSeHcShScSl1LlBLBwgy5iMhpwEAAKcBAABQSwMEAAAICAAAAAAAAAAAAAAAAAAAAAAAABAAGwBzbWFsbF96aXAvZGF0YS8wRkIXAFpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaAAAAAAAAgD8AAABAAABAQAAAgEAAAKBAUEsHCBeQ55EYAAAAGAAAAFBLAwQAAAgIAAAAAAAAAAAAAAAAAAAAAAAAEAAqAHNtYWxsX3ppcC9kYXRhLzFGQiYAWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWloAPgDAUEsHCDbV1ZQEAAAABAAAAFBLAwQAAAgIAAAAAAAAAAAAAAAAAAAAAAAAEAA+AHNtYWxsX3ppcC9kYXRhLzJGQjoAWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWgcAAAAAAAAAUEsHCHDW528IAAAACAAAAFBLAwQAAAgIAAAAAAAAAAAAAAAAAAAAAAAAEAA6AHNtYWxsX3ppcC9kYXRhLzNGQjYAWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaAAAAAAAAgD8AAABAAABAQFBLBwiLG2AlEAAAABAAAABQSwMEAAAICAAAAAAAAAAAAAAAAAAAAAAAABEAMQBzbWFsbF96aXAvdmVyc2lvbkZCLQBaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlozClBLBwjRnmdVAgAAAAIAAABQSwECAAAAAAgIAAAAAAAAMuYjIacBAACnAQAAEgAAAAAAAAAAAAAAAAAAAAAAc21hbGxfemlwL2RhdGEucGtsUEsBAgAAAAAICAAAAAAAABeQ55EYAAAAGAAAABAAAAAAAAAAAAAAAAAA9wEAAHNtYWxsX3ppcC9kYXRhLzBQSwECAAAAAAgIAAAAAAAANtXVlAQAAAAEAAAAEAAAAAAAAAAAAAAAAABoAgAAc21hbGxfemlwL2RhdGEvMVBLAQIAAAAACAgAAAAAAABw1udvCAAAAAgAAAAQAAAAAAAAAAAAAAAAANQCAABzbWFsbF96aXAvZGF0YS8yUEsBAgAAAAAICAAAAAAAAIsbYCUQAAAAEAAAABAAAAAAAAAAAAAAAAAAWAMAAHNtYWxsX3ppcC9kYXRhLzNQSwECAAAAAAgIAAAAAAAA0Z5nVQIAAAACAAAAEQAAAAAAAAAAAAAAAADgAwAAc21hbGxfemlwL3ZlcnNpb25QSwYGLAAAAAAAAAAeAy0AAAAAAAAAAAAGAAAAAAAAAAYAAAAAAAAAdwEAAAAAAABSBAAAAAAAAFBLBgcAAAAAyQUAAAAAAAABAAAAUEsFBgAAAAAGAAYAdwEAAFIEAAAAAA==',
  'base64',
);
/** The same in the layout before PyTorch 1.6. */
export const PYTORCH_LEGACY = Buffer.from(
  'gAKKCmz8nEb5IGqoUBkugAJN6QMugAJ9cQAoWBAAAABwcm90b2NvbF92ZXJzaW9ucQFN6QNYDQAAAGxpdHRsZV9lbmRpYW5xAohYCgAAAHR5cGVfc2l6ZXNxA31xBChYBQAAAHNob3J0cQVLAlgDAAAAaW50cQZLBFgEAAAAbG9uZ3EHSwR1dS6AAn1xAChYCAAAAGEud2VpZ2h0cQFjdG9yY2guX3V0aWxzCl9yZWJ1aWxkX3RlbnNvcl92MgpxAigoWAcAAABzdG9yYWdlcQNjdG9yY2gKRmxvYXRTdG9yYWdlCnEEWAkAAAAxNTA2MDc4NTZxBVgDAAAAY3B1cQZLBk50cQdRSwBLA0sChnEISwFLA4ZxCYljY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcQopUnELdHEMUnENWAEAAABicQ5oAigoaANjdG9yY2gKSGFsZlN0b3JhZ2UKcQ9YCQAAADE0OTY5NDYwOHEQaAZLAk50cRFRSwBLAoVxEksBhXETiWgKKVJxFHRxFVJxFlgBAAAAY3EXaAIoKGgDY3RvcmNoCkxvbmdTdG9yYWdlCnEYWAkAAAAxNTA3MjUzNjBxGWgGSwFOdHEaUUsAKSmJaAopUnEbdHEcUnEdWAEAAABkcR5jdG9yY2guX3V0aWxzCl9yZWJ1aWxkX3BhcmFtZXRlcgpxH2gCKChoA2gEWAkAAAAxNDk5OTYyMDhxIGgGSwROdHEhUUsBSwKFcSJLAYVxI4loCilScSR0cSVScSaIaAopUnEnh3EoUnEpdS6AAl1xAChYCQAAADE0OTY5NDYwOHEBWAkAAAAxNDk5OTYyMDhxAlgJAAAAMTUwNjA3ODU2cQNYCQAAADE1MDcyNTM2MHEEZS4CAAAAAAAAAAA+AMAEAAAAAAAAAAAAAAAAAIA/AAAAQAAAQEAGAAAAAAAAAAAAAAAAAIA/AAAAQAAAQEAAAIBAAACgQAEAAAAAAAAABwAAAAAAAAA=',
  'base64',
);

const bytesOf = (data: Float32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function shapeMessage(shape: readonly number[]): ProtobufWriter {
  const message = new ProtobufWriter();
  for (const size of shape) message.message(2, new ProtobufWriter().integer(1, size));
  return message;
}

/** A GraphDef with a Placeholder, and one Const node per tensor. */
export function graphDef(tensors: NamedTensors): Uint8Array<ArrayBuffer> {
  const graph = new ProtobufWriter().message(
    1,
    new ProtobufWriter().string(1, 'input').string(2, 'Placeholder'),
  );
  for (const [name, { shape, data }] of tensors) {
    const tensor = new ProtobufWriter().integer(1, 1).message(2, shapeMessage(shape)).bytes(4, bytesOf(data));
    const attribute = new ProtobufWriter()
      .string(1, 'value')
      .message(2, new ProtobufWriter().message(8, tensor));
    const type = new ProtobufWriter().string(1, 'dtype').message(2, new ProtobufWriter().integer(6, 1));
    graph.message(
      1,
      new ProtobufWriter().string(1, name).string(2, 'Const').message(5, type).message(5, attribute),
    );
  }
  return graph.finish();
}

/**
 * The index and the data of a checkpoint. Keys share prefixes, and there is a restart point every 16 entries.
 * @param aliases variables that get the place of another variable of the same size
 */
export function checkpoint(
  tensors: NamedTensors,
  aliases: Readonly<Record<string, string>> = {},
): { index: Uint8Array<ArrayBuffer>; data: Buffer } {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  const entries: [string, Uint8Array][] = [['', new ProtobufWriter().integer(1, 1).finish()]];
  const places = new Map<string, number>();
  let offset = 0;
  for (const [name, { shape, data }] of sorted) {
    const entry = new ProtobufWriter().integer(1, 1).message(2, shapeMessage(shape));
    const place = places.get(aliases[name] ?? '') ?? offset;
    places.set(name, place);
    if (place > 0) entry.integer(4, place);
    const checksum = Buffer.alloc(5);
    checksum[0] = (6 << 3) | 5;
    checksum.writeUInt32LE(maskedCrc32c(bytesOf(tensors.get(aliases[name] ?? name)!.data)), 1);
    entries.push([name, Buffer.concat([entry.integer(5, data.byteLength).finish(), checksum])]);
    offset += data.byteLength;
  }
  const blocks: [string, Uint8Array][][] = [];
  for (let start = 0; start < entries.length; start += 50) blocks.push(entries.slice(start, start + 50));
  return { index: tableOf(blocks), data: Buffer.concat(sorted.map(([, { data }]) => bytesOf(data))) };
}

/**
 * A LevelDB table with these blocks, which are given as entries or as bytes.
 * @param handlesPerBlock how often each block occurs in the index
 */
export function tableOf(
  blocks: readonly (Uint8Array | readonly (readonly [string, Uint8Array])[])[],
  handlesPerBlock = 1,
): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const write = (rows: (typeof blocks)[number]): Buffer => {
    const at = parts.reduce((sum, { length }) => sum + length, 0);
    const block = Buffer.concat([rows instanceof Uint8Array ? rows : tableBlock(rows), Buffer.from([0])]);
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32LE(maskedCrc32c(block));
    parts.push(block, trailer);
    return Buffer.concat([varint(at), varint(block.length - 1)]);
  };
  const handles: [string, Uint8Array][] = [];
  for (const rows of blocks) {
    const handle = write(rows);
    for (let i = 0; i < handlesPerBlock; i++)
      handles.push([rows instanceof Uint8Array ? 'z' : rows.at(-1)![0], handle]);
  }
  const meta = write([]);
  const footer = Buffer.alloc(48);
  Buffer.concat([meta, write(handles)]).copy(footer);
  footer.writeUInt32LE(0x8b80fb57, 40);
  footer.writeUInt32LE(0xdb477524, 44);
  return Uint8Array.from(Buffer.concat([...parts, footer]));
}

export function tableBlock(rows: readonly (readonly [string, Uint8Array])[]): Buffer {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let size = 0;
  let before = '';
  for (const [index, [key, value]] of rows.entries()) {
    let shared = 0;
    if (index % 16 === 0) restarts.push(size);
    else while (shared < key.length && key[shared] === before[shared]) shared++;
    const row = Buffer.concat([
      varint(shared),
      varint(key.length - shared),
      varint(value.length),
      Buffer.from(key.slice(shared)),
      value,
    ]);
    parts.push(row);
    size += row.length;
    before = key;
  }
  if (restarts.length === 0) restarts.push(0);
  const end = Buffer.alloc(4 * restarts.length + 4);
  [...restarts, restarts.length].forEach((value, index) => end.writeUInt32LE(value, 4 * index));
  return Buffer.concat([...parts, end]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** Keras's save_weights, or the weights of model.save: `<layer>/<layer>/<weight>:0`. */
export async function kerasFile(
  tensors: NamedTensors,
  isWholeModel: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  await h5wasm.ready;
  const folder = mkdtempSync(join(tmpdir(), 'keras-'));
  const path = join(folder, 'a.h5');
  const file = new h5wasm.File(path, 'w');
  const root = isWholeModel ? file.create_group('model_weights') : file;
  for (const [name, { shape, data }] of tensors) {
    const [layer, weight] = name.split('/') as [string, string];
    let group = root.get(layer) as InstanceType<typeof h5wasm.Group> | null;
    group ??= root.create_group(layer);
    let inner = group.get(layer) as InstanceType<typeof h5wasm.Group> | null;
    inner ??= group.create_group(layer);
    inner.create_dataset({ name: `${weight}:0`, data, shape: [...shape] });
  }
  file.flush();
  file.close();
  const bytes = Uint8Array.from(readFileSync(path));
  rmSync(folder, { recursive: true });
  return bytes;
}

/** Opcodes of a pickle, protocol 2. */
export const pickle = {
  text: (value: string): Buffer => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return Buffer.concat([Buffer.from('X'), length, bytes]);
  },
  integer: (value: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes[0] = 0x4a;
    bytes.writeInt32LE(value, 1);
    return bytes;
  },
  tuple: (...items: Buffer[]): Buffer => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]),
  global: (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`),
  call: (callee: Buffer, args: Buffer): Buffer => Buffer.concat([callee, args, Buffer.from('R')]),
  dict: (...items: Buffer[]): Buffer => Buffer.concat([Buffer.from('}('), ...items, Buffer.from('u')]),
  whole: (value: Buffer): Buffer => Buffer.concat([Buffer.from([0x80, 2]), value, Buffer.from('.')]),
  tensor(key: string, length: number, shape: readonly number[], strides: readonly number[]): Buffer {
    const { call, global, integer, text, tuple } = pickle;
    const storage = Buffer.concat([
      tuple(text('storage'), global('torch', 'FloatStorage'), text(key), text('cpu'), integer(length)),
      Buffer.from('Q'),
    ]);
    return call(
      global('torch._utils', '_rebuild_tensor_v2'),
      tuple(
        storage,
        integer(0),
        tuple(...shape.map(integer)),
        tuple(...strides.map(integer)),
        Buffer.from([0x89]),
        call(global('collections', 'OrderedDict'), Buffer.from(')')),
      ),
    );
  },
};

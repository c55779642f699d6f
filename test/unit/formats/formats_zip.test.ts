/** Zip archives that are damaged or inconsistent. Anything that contradicts the headers is refused by name. */
import { makeZip } from 'client-zip';
import { crc32 as nodeCrc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { PytorchFile } from '../../../workers/formats/pytorch_file.ts';
import { ZipError, ZipFile } from '../../../workers/formats/zip_reader.ts';
import { crc32 } from '../../../workers/common/crc32.ts';
import { PYTORCH_ZIP } from '../models/import_writers.ts';
import { writeZip, type WrittenEntry } from './zip_writer.ts';

const LIMIT_BYTES = 100_000_000;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function readAll(bytes: Uint8Array<ArrayBuffer>): Promise<Record<string, string>> {
  const zip = await ZipFile.open(new Blob([bytes]), 'a.zip');
  const contents: Record<string, string> = {};
  for (const name of zip.entries.keys()) {
    contents[name] = new TextDecoder().decode(await zip.read(name, LIMIT_BYTES));
    // Both ways to read agree.
    expect(await (await zip.open(name, LIMIT_BYTES)).text()).toBe(contents[name]);
  }
  return contents;
}

async function problemOf(...entries: WrittenEntry[]): Promise<string> {
  const error = await readAll(writeZip(entries)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ZipError);
  return (error as Error).message;
}

describe('zip archives', () => {
  it('are read as they were written, stored and deflated, by several writers', async () => {
    const written = writeZip([
      { name: 'a', content: text('one') },
      { name: 'b/c', content: text('two'.repeat(1000)), isDeflated: true },
      { name: 'empty', content: text('') },
    ]);
    expect(await readAll(written)).toEqual({ a: 'one', 'b/c': 'two'.repeat(1000), empty: '' });
    // client-zip writes checksum and sizes after the content.
    const streamed = await new Response(makeZip([{ name: 'x', input: 'three' }])).arrayBuffer();
    expect(await readAll(new Uint8Array(streamed))).toEqual({ x: 'three' });
    expect(Object.keys(await readAll(Uint8Array.from(PYTORCH_ZIP)))).toHaveLength(6);
  });

  it('have the checksum that zlib computes, in one part or several', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index * index);
    for (const end of [0, 1, 2, 3, 4, 5, 999, 1000]) {
      const part = bytes.subarray(0, end);
      expect(crc32(part)).toBe(nodeCrc32(part));
      expect(crc32(part.subarray(end >> 1), crc32(part.subarray(0, end >> 1)))).toBe(nodeCrc32(part));
    }
  });

  it('with a flipped bit anywhere in a content are refused', async () => {
    for (const isDeflated of [false, true]) {
      const content = text('some content that is worth a checksum '.repeat(20));
      const bytes = writeZip([{ name: 'a', content, isDeflated }]);
      const length = isDeflated ? bytes.length - 22 - 47 - 31 : content.length;
      for (let at = 31; at < 31 + length; at += 7) {
        const damaged = bytes.slice();
        damaged[at] = damaged[at]! ^ 0x10;
        await expect(readAll(damaged)).rejects.toThrow(ZipError);
      }
    }
    const pytorch = Uint8Array.from(PYTORCH_ZIP);
    const value = PYTORCH_ZIP.indexOf(Buffer.from('000080400000a040', 'hex'));
    pytorch[value] = 1;
    const file = await PytorchFile.open(new Blob([pytorch]), 'a.pt');
    await expect(file.read('a.weight')).rejects.toThrow(/data\/0" is damaged: its checksum is another/);
  });

  it('whose list of files is shorter or longer than stated, or damaged, are refused', async () => {
    const entries = [
      { name: 'a', content: text('1') },
      { name: 'b', content: text('2') },
    ];
    await expect(readAll(writeZip(entries, 3))).rejects.toThrow('lists 2 files, but says that it has 3');
    await expect(readAll(writeZip(entries, 1))).rejects.toThrow('lists 2 files, but says that it has 1');
    const damaged = writeZip(entries);
    // The signature of the second entry. Earlier versions silently ended the list there.
    damaged[Buffer.from(damaged).lastIndexOf(Buffer.from('PK\x01\x02'))] = 0;
    await expect(readAll(damaged)).rejects.toThrow('list of files is damaged');
  });

  it('with an encrypted entry are refused by name, with the way forward', async () => {
    for (const flags of [0x0001, 0x0041, 0x2001]) {
      const problem = await problemOf({ name: 'secret', content: text('x'.repeat(20)), flags });
      expect(problem).toContain('"secret" is encrypted. Unpack the archive with its password');
    }
  });

  it('whose headers contradict their list are refused', async () => {
    const content = text('four');
    for (const local of [
      { name: 'b' },
      { method: 8 },
      { checksum: 1 },
      { sizeBytes: 3 },
      { compressedBytes: 5 },
    ])
      expect(await problemOf({ name: 'a', content, local })).toContain('contradicts the list');
    expect(await problemOf({ name: 'a', content, listed: { checksum: 1 } })).toContain('contradicts');
    expect(
      await problemOf({ name: 'a', content, listed: { checksum: 1 }, local: { checksum: 1 } }),
    ).toContain('"a" is damaged: its checksum is another');
    expect(await problemOf({ name: 'a', content, listed: { sizeBytes: 3 } })).toContain(
      'two different sizes',
    );
  });

  it('whose entries overlap are refused before anything is unpacked', async () => {
    // Many entries with the same packed content.
    const content = new Uint8Array(1_000_000);
    const shared = Array.from({ length: 50 }, (_, index) => ({
      name: `${index}`,
      content: index === 0 ? content : text(''),
      isDeflated: true,
      listed: { offset: 0, sizeBytes: 200_000, compressedBytes: 900 },
    }));
    expect(await problemOf(...shared)).toContain('overlaps with what comes after it');
    expect(
      await problemOf({ name: 'a', content: text('1234'), listed: { compressedBytes: 80, sizeBytes: 80 } }),
    ).toContain('overlaps');
  });

  it('that unpack to far more than they have are refused before anything is unpacked', async () => {
    const zeros = { content: new Uint8Array(20_000_000), isDeflated: true };
    expect(await problemOf({ name: 'a', ...zeros })).toMatch(/would unpack from \d+ to 20000000 bytes/);
    // Their statements are also checked against their content.
    const packed = { name: 'a', content: new Uint8Array(60_000), isDeflated: true };
    const claim = (sizeBytes: number): WrittenEntry => ({
      ...packed,
      listed: { sizeBytes },
      local: { sizeBytes },
    });
    expect(await problemOf(claim(1000))).toContain('unpacks to more');
    expect(await problemOf(claim(70_000))).toContain('unpacks to less');
    const file = await ZipFile.open(new Blob([writeZip([packed])]), 'a.zip');
    await expect(file.read('a', 50_000)).rejects.toThrow('more than the 50000 that are allowed');
    expect((await file.read('a', 60_000)).length).toBe(60_000);
  });

  it('stop being read when they are cancelled', async () => {
    const noise = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 2654435761) >>> 13);
    for (const isDeflated of [false, true]) {
      const abort = new AbortController();
      const bytes = writeZip([{ name: 'a', content: noise, isDeflated }]);
      const zip = await ZipFile.open(new Blob([bytes]), 'a.zip', abort.signal);
      abort.abort();
      await expect(zip.read('a', LIMIT_BYTES)).rejects.toThrow(abort.signal.reason as Error);
      await expect(zip.open('a', LIMIT_BYTES)).rejects.toThrow(abort.signal.reason as Error);
      await expect(ZipFile.open(new Blob([bytes]), 'a.zip', abort.signal)).rejects.toThrow();
    }
  });
});

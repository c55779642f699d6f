import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

// Outside the project, so that its node_modules are not found.
const folder = mkdtempSync(join(tmpdir(), 'pack-'));
const pack = join(folder, 'pack');

function run(program: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 100_000 });
  return { status, stdout, stderr };
}
const inPack = (...args: string[]) => run(process.execPath, ['bench.mjs', ...args], pack);

beforeAll(() => {
  expect(run(process.execPath, ['scripts/pack_bench.mjs', pack], process.cwd())).toMatchObject({ status: 0 });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('packed benchmarks run without the project', () => {
  expect(inPack('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('conformance') });
  const adapter = inPack('adapter', '--json');
  // Dawn is loaded from the pack. Whether it finds an adapter depends on the machine.
  if (adapter.status === 0) expect(JSON.parse(adapter.stdout)).toHaveProperty('limits.maxBufferSize');
  else expect(adapter.stderr).toContain('WebGPU finds no adapter');
});

test('packed conformance says what is wrong with a file', () => {
  const file = join(folder, 'fixture.json');
  writeFileSync(file, '{"a": 1}');
  const { status, stderr } = inPack('conformance', '--fixture', file);
  expect(status).toBe(1);
  expect(stderr).toContain('not a conformance fixture: it has "a"');
});

test('a folder that holds something is left alone', () => {
  const { status, stderr } = run(process.execPath, ['scripts/pack_bench.mjs', pack], process.cwd());
  expect(status).toBe(1);
  expect(stderr).toContain('is not empty');
});

/** The limit for the scripts that the first page loads, compressed as on a host. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { distFolder, ensureBuild } from '../../scripts/setup/ensure_build.mjs';

const BUDGET_BYTES = 300_000;

it('keeps the first page’s script below its budget', async () => {
  await ensureBuild({ quiet: true });
  const html = readFileSync(join(distFolder, 'index.html'), 'utf8');
  const waiting = [...html.matchAll(/(?:src|href)="(\.\/[^"]+\.js)"/g)].map(([, path]) =>
    join(distFolder, path!),
  );
  expect(waiting.length).toBeGreaterThan(0);
  const sizes = new Map<string, number>();
  for (let path = waiting.pop(); path; path = waiting.pop()) {
    if (sizes.has(path)) continue;
    const script = readFileSync(path, 'utf8');
    sizes.set(path, gzipSync(script).length);
    // Static imports are loaded at once. import() loads later and does not count.
    for (const [, imported] of script.matchAll(/(?:import|from)\s*["'](\.[^"']+\.js)["']/g))
      waiting.push(join(dirname(path), imported!));
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  console.log(`first page: ${sizes.size} scripts, ${total} bytes compressed`);
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThan(BUDGET_BYTES);
});

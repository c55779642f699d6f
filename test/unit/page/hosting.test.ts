/** The headers in docs/hosting.md equal those with which the tests run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../../cli/system/paths.ts';
import { contentSecurityPolicyInPage, pageHeaders } from '../../../scripts/build/page_headers.mjs';

const text = readFileSync(join(projectRoot, 'docs/hosting.md'), 'utf8');

/** The headers in a block of the document, by name. */
function headersIn(block: string, pattern: RegExp): Record<string, string> {
  return Object.fromEntries([...block.matchAll(pattern)].map(([, name, value]) => [name!, value!]));
}

describe('docs/hosting.md', () => {
  it.each([
    ['nginx', /```nginx\n([\s\S]*?)```/, /add_header (\S+) "([^"]*)"/g],
    ['Caddy', /Caddy\*\*:\n\n```\n([\s\S]*?)```/, /^\s+([A-Z][A-Za-z-]+) "([^"]*)"/gm],
  ])('sets every header for %s, and nothing else', (_host, block, pattern) => {
    const { 'Cache-Control': caching, ...headers } = headersIn(block.exec(text)![1]!, pattern);
    expect(headers).toEqual(pageHeaders);
    expect(caching).toBe('no-cache');
  });

  it('explains every header', () => {
    for (const name of Object.keys(pageHeaders)) expect(text).toContain(`\`${name}\``);
  });
});

describe('the policy', () => {
  it('allows no other origin, no inline script and no evaluated text', () => {
    for (const policy of [contentSecurityPolicyInPage, pageHeaders['Content-Security-Policy']!]) {
      expect(policy).toContain("default-src 'self'");
      expect(policy).toContain("connect-src 'self';");
      expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
    }
  });
});

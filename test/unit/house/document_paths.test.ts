/** Files, folders, links and headings that the documents name exist, and so do documents that the sources name. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../../cli/system/paths.ts';

const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: projectRoot,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(projectRoot, file)));
const documents = tracked.filter((file) => file.endsWith('.md') && file !== 'CHANGELOG.md');
const read = (file: string): string => readFileSync(join(projectRoot, file), 'utf8');

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replace(/ /g, '-');

const anchorsOf = (file: string): string[] =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));

/** Relative links. Links to other sites are not checked. */
const linksOf = (file: string): string[] =>
  [...read(file).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^https?:/.test(link));

/** A document may leave out the ending of a file, and use `*` and a folder's last slash. */
function exists(path: string): boolean {
  if (path.includes('*')) {
    const folder = join(projectRoot, dirname(path));
    const name = new RegExp(
      `^${path
        .slice(dirname(path).length + 1)
        .replaceAll('.', '\\.')
        .replaceAll('*', '.*')}$`,
    );
    return existsSync(folder) && readdirSync(folder).some((entry) => name.test(entry));
  }
  const clean = path.replace(/\/$/, '');
  return tracked.some(
    (file) =>
      file === clean ||
      file.startsWith(`${clean}/`) ||
      (file.startsWith(clean) && ['.ts', '.test.ts'].includes(file.slice(clean.length))),
  );
}

const PATH = /(?<![\w./-])(?:bench|cli|docs|public|scripts|src|test|workers)\/[\w./*-]*[\w/*]/g;

describe.each(documents)('%s', (document) => {
  it('links only to what exists', () => {
    const broken = linksOf(document).filter((link) => {
      const [path, anchor] = link.split('#') as [string, string?];
      const target = path === '' ? document : normalize(join(dirname(document), path));
      return !exists(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  it('names only paths that exist', () => {
    const named = [...read(document).matchAll(/`([^`\n]+)`/g)].flatMap(([, code]) => code!.match(PATH) ?? []);
    expect([...new Set(named)].filter((path) => !exists(path))).toEqual([]);
  });
});

it('the sources name only documents that exist', () => {
  const sources = tracked.filter((file) => /\.(ts|mjs|js|svelte|py)$/.test(file));
  const named = sources.flatMap((file) =>
    (read(file).match(/(?<![\w/.-])docs\/[\w/-]+\.md/g) ?? []).map((document) => ({ file, document })),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(({ document }) => !exists(document))).toEqual([]);
});

// Builds the page if dist is missing or was made from other sources.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, runCommand } from './run_command.mjs';
import { withLock } from './with_lock.mjs';

/** Everything that goes into a build. */
const SOURCES = [
  'index.html',
  'terminal.html',
  'package-lock.json',
  'vite.config.ts',
  'svelte.config.js',
  'scripts/build',
  'public',
  'src',
  'cli/page',
  'workers',
];
const STAMP = '.cache/build.json';

/** The folder of the built page. */
export const distFolder = join(projectRoot, 'dist');

/** Throws if the build fails, with its output. */
export async function ensureBuild({ quiet = false } = {}) {
  if (isFresh(hashSources())) return;
  await withLock('build', async () => {
    const hash = hashSources();
    if (isFresh(hash)) return;
    if (!quiet) console.log('Building the page (vite build) …');
    const { code, output } = await runCommand(process.execPath, ['node_modules/vite/bin/vite.js', 'build'], {
      quiet: true,
      // Not the caller's mode: a build for a test must be the one that people get.
      env: { NODE_ENV: 'production' },
    });
    if (code !== 0)
      throw new Error(`The page could not be built (vite build, exit code ${code}).\n${output.trim()}`);
    mkdirSync(join(projectRoot, '.cache'), { recursive: true });
    writeFileSync(join(projectRoot, STAMP), JSON.stringify({ hash, builtAt: builtAt() }));
  });
}

/** A build that was made by hand is not recognised, and is made again. */
function isFresh(hash) {
  try {
    const stamp = JSON.parse(readFileSync(join(projectRoot, STAMP), 'utf8'));
    return stamp.hash === hash && stamp.builtAt === builtAt();
  } catch {
    return false;
  }
}

function builtAt() {
  return ['index.html', 'terminal.html'].map((page) => statSync(join(distFolder, page)).mtimeMs).join(' ');
}

function hashSources() {
  const hash = createHash('sha256');
  for (const source of SOURCES)
    for (const path of filesOf(source)) {
      hash.update(path).update('\0');
      hash.update(readFileSync(join(projectRoot, path))).update('\0');
    }
  return hash.digest('hex');
}

function filesOf(path) {
  const absolute = join(projectRoot, path);
  if (!existsSync(absolute)) return [];
  if (!statSync(absolute).isDirectory()) return [path];
  return readdirSync(absolute, { recursive: true })
    .map((name) => join(path, String(name)))
    .filter((name) => statSync(join(projectRoot, name)).isFile())
    .sort();
}

// Installs the packages of package-lock.json if some are missing or have other versions.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, runNpm } from './run_command.mjs';
import { withLock } from './with_lock.mjs';

/** Throws an error that says what to do if the installation fails. */
export async function ensureModules({ quiet = false } = {}) {
  if (modulesAreInstalled()) return;
  // If two commands start at once, only one of them installs.
  await withLock('install', async () => {
    if (modulesAreInstalled()) return;
    if (!quiet) console.log('Installing the packages of package-lock.json (npm ci) …');
    const { code, output } = await runNpm(['ci', '--include=dev', '--no-fund', '--no-audit'], { quiet });
    if (code !== 0)
      throw new Error(
        `npm ci failed (exit code ${code}).${output ? `\n${output.trim()}\n` : ' '}Check the network connection and run the command again.`,
      );
  });
}

/** npm records the content of node_modules in node_modules/.package-lock.json, in the format of the lock file. */
function modulesAreInstalled() {
  const wanted = readPackages('package-lock.json');
  const installed = readPackages('node_modules/.package-lock.json');
  if (!wanted)
    throw new Error(
      'package-lock.json is missing or damaged; get it back with: git checkout package-lock.json',
    );
  if (!installed) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    // The empty path is the project itself. Optional packages may be for other platforms.
    if (path === '' || (optional && !installed[path])) return true;
    return installed[path]?.version === version && installed[path]?.integrity === integrity;
  });
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(projectRoot, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

// Provides a Chromium: an installed one, or Playwright's, or (as root) Debian's package. Needs node_modules.
import { readFileSync } from 'node:fs';
import { findChromium } from './chromium.mjs';
import { runCommand } from './run_command.mjs';

const DOWNLOAD_LIMIT_MS = 10 * 60_000;
const START_LIMIT_MS = 30_000;

/**
 * @param {{ preferred?: string, log?: (line: string) => void }} [options] preferred: the user's own choice
 * @returns {Promise<string>} the path of a Chromium that starts; throws an error that says what to do if there is none
 */
export async function ensureChromium({ preferred, log = () => undefined } = {}) {
  const found = findChromium(preferred);
  if (found) {
    const problem = await whyItDoesNotStart(found.path);
    if (!problem) return found.path;
    if (preferred ?? process.env.FACENET_BROWSER)
      throw new Error(`The browser ${found.path} does not start: ${problem}`);
    log(`The browser ${found.path} does not start: ${problem}`);
  }
  const attempts = [];
  for (const [name, install] of [
    ["Playwright's Chromium", installFromPlaywright],
    ["Debian's package chromium", installFromDebian],
  ]) {
    log(`Installing ${name} …`);
    const problem = await install();
    const path = findChromium()?.path;
    if (!problem && path && !(await whyItDoesNotStart(path))) return path;
    attempts.push(`${name}: ${problem || (path ? await whyItDoesNotStart(path) : 'not found afterwards')}`);
  }
  throw new Error(
    `No Chromium could be found or installed (${attempts.join('; ')}). Install Chromium, Chrome or Edge, or name one: FACENET_BROWSER=/path/to/chromium`,
  );
}

/** @returns {Promise<string>} the reason, such as a missing library; empty if it starts */
async function whyItDoesNotStart(path) {
  // Chrome on Windows opens a window instead of printing its version.
  if (process.platform === 'win32') return '';
  const { code, output } = await runCommand(path, ['--version'], { quiet: true, timeoutMs: START_LIMIT_MS });
  return code === 0 ? '' : lastLine(output) || `exit code ${code}`;
}

async function installFromPlaywright() {
  const { code, output } = await runCommand(
    process.execPath,
    ['node_modules/playwright-core/cli.js', 'install', '--no-shell', 'chromium'],
    { quiet: true, timeoutMs: DOWNLOAD_LIMIT_MS },
  );
  return code === 0 ? '' : lastLine(output) || `exit code ${code}`;
}

async function installFromDebian() {
  if (!isDebian()) return 'this is no Debian';
  if (process.getuid?.() !== 0) return 'needs root: sudo apt-get install chromium';
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const { code, output } = await runCommand('apt-get', args, {
      quiet: true,
      env,
      timeoutMs: DOWNLOAD_LIMIT_MS,
    });
    if (code !== 0) return `apt-get ${args[0]}: ${lastLine(output) || `exit code ${code}`}`;
  }
  return '';
}

function isDebian() {
  try {
    return /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

function lastLine(output) {
  return output.trim().split('\n').at(-1).trim();
}

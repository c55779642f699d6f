// Runs other programs, from scripts that must work before anything is installed.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The project's folder, so that scripts work in any current folder. */
export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Runs the npm that runs this script, if npm says which one that is. The options are those of runCommand. */
export function runNpm(args, options) {
  const npm = process.env.npm_execpath;
  return npm?.endsWith('.js')
    ? runCommand(process.execPath, [npm, ...args], options)
    : runCommand('npm', args, options);
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, timeoutMs?: number, env?: Record<string, string | undefined> }} [options]
 *   quiet: return the output instead of printing it
 * @returns {Promise<{ code: number, output: string }>} code: 127 if the program does not exist, 124 after a time-out
 */
export function runCommand(program, args, { quiet = false, timeoutMs, env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: projectRoot,
      // Returned output may become a line of a message.
      env: { ...process.env, ...(quiet ? { NO_COLOR: '1' } : {}), ...env },
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
      // npm and npx are batch files on Windows.
      shell: process.platform === 'win32' && !program.includes('\\'),
    });
    let output = '';
    let timedOut = false;
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    const timer =
      timeoutMs &&
      setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
      }, timeoutMs);
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: timedOut ? 124 : (code ?? 1), output });
    });
  });
}

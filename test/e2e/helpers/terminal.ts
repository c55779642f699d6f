/** Runs the terminal front end as a person does. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { projectRoot } from '../../../cli/system/paths.ts';

const running = new Set<ChildProcess>();

// A command of a test that timed out must not slow down the next tests.
afterEach(() => {
  for (const child of running) child.kill('SIGTERM');
});

export interface TerminalResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly string[];
  /** The last line, with --json. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface TerminalOptions {
  /** The home folder, where the default folders and the kept runs are. */
  readonly home: string;
  readonly onLine?: (line: string, child: ChildProcess) => void;
}

/** `npm run --silent facenet -- <args>` without npm. */
export function facenet(args: readonly string[], { home, onLine }: TerminalOptions): Promise<TerminalResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(projectRoot, 'scripts/facenet.mjs'), ...args], {
      cwd: home,
      env: { ...process.env, HOME: home, XDG_STATE_HOME: join(home, 'state') },
    });
    running.add(child);
    let stdout = '';
    let stderr = '';
    let seen = 0;
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      for (let end = stdout.indexOf('\n', seen); end >= 0; end = stdout.indexOf('\n', seen)) {
        onLine?.(stdout.slice(seen, end), child);
        seen = end + 1;
      }
    });
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      running.delete(child);
      const lines = stdout.trimEnd().split('\n');
      const last = lines.at(-1)!;
      resolve({
        code: code ?? -1,
        stdout,
        stderr,
        lines,
        json: last.startsWith('{') ? (JSON.parse(last) as Record<string, unknown>) : {},
      });
    });
  });
}

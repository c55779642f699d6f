// `npm run --silent facenet -- <command> …`: the terminal front end. It first installs everything it needs.
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuild } from './setup/ensure_build.mjs';
import { ensureModules } from './setup/ensure_modules.mjs';

try {
  requireTemporaryFolder();
  await ensureModules({ quiet: true });
  const help =
    process.argv.length < 3 || process.argv.some((argument) => argument === '--help' || argument === 'help');
  if (!help) await ensureBuild({ quiet: true });
} catch (error) {
  console.error(`facenet: ${error.message}`);
  process.exit(1);
}
// In this process, so that Ctrl-C reaches only one program.
const { register } = await import('tsx/esm/api');
register();
const { main } = await import('../cli/main.ts');
process.exit(await main(process.argv.slice(2)));

/** tsx and the browser both write there. If they cannot, they fail with only an exit code. */
function requireTemporaryFolder() {
  try {
    rmdirSync(mkdtempSync(join(tmpdir(), 'facenet-try-')));
  } catch (error) {
    throw new Error(
      `The folder for temporary files, ${tmpdir()}, is not writable (${error.code}). Set the environment variable TMPDIR to another folder.`,
      { cause: error },
    );
  }
}

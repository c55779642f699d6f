// `npm run --silent facenet -- <command> …`: the terminal front end, with everything it needs in place first.
import { ensureBuild } from './ensure_build.mjs';
import { ensureModules } from './ensure_modules.mjs';

try {
  await ensureModules({ quiet: true });
  const help =
    process.argv.length < 3 || process.argv.some((argument) => argument === '--help' || argument === 'help');
  if (!help) await ensureBuild({ quiet: true });
} catch (error) {
  console.error(`facenet: ${error.message}`);
  process.exit(1);
}
// In this process, so that Ctrl-C reaches one program.
const { register } = await import('tsx/esm/api');
register();
const { main } = await import('../cli/main.ts');
process.exit(await main(process.argv.slice(2)));

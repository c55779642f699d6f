// `npm run bench -- [engine | …] [flags]`: runs a benchmark on this machine; see docs/performance.md.
import { ensureModules } from './setup/ensure_modules.mjs';

try {
  await ensureModules({ quiet: true });
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exit(1);
}
const { register } = await import('tsx/esm/api');
register();
const { main } = await import('../bench/main.ts');
process.exit(await main(process.argv.slice(2)));

// `npm run pack_bench -- FOLDER`: writes the engine's benchmarks to a folder that runs on a machine with Node and a
// GPU, but without npm's packages, a browser or a network; see docs/performance.md.
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ensureModules } from './setup/ensure_modules.mjs';
import { projectRoot } from './setup/run_command.mjs';

const [target, ...rest] = process.argv.slice(2);
if (!target || target.startsWith('-') || rest.length > 0) {
  console.error('Usage: npm run pack_bench -- FOLDER\nFOLDER is made; it must not hold anything yet.');
  process.exit(2);
}
try {
  const folder = resolve(target);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty.`);
  await ensureModules({ quiet: true });
  const { build } = await import('vite');
  await build({
    root: projectRoot,
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    // Dawn is not JavaScript, so it is copied. The code that starts a browser is never called there.
    ssr: { noExternal: true, external: ['webgpu', 'vite', 'playwright-core'] },
    build: {
      ssr: join(projectRoot, 'bench/packed.ts'),
      outDir: folder,
      emptyOutDir: false,
      target: 'node20',
      rolldownOptions: { output: { entryFileNames: 'bench.mjs', chunkFileNames: '[name].mjs' } },
    },
  });
  const dawn = join('node_modules', 'webgpu');
  const binary = join(dawn, 'dist', `${process.platform}-${process.arch}`);
  for (const part of [join(dawn, 'package.json'), join(dawn, 'index.js'), join(dawn, 'LICENSE.md'), binary])
    await cp(join(projectRoot, part), join(folder, part), { recursive: true });
  await cp(join(projectRoot, 'bench/engine/pytorch_step.py'), join(folder, 'pytorch_step.py'));
  console.log(
    `${folder}: carry it to the machine and run there: node bench.mjs adapter; node bench.mjs --help`,
  );
} catch (error) {
  console.error(`pack_bench: ${error.message}`);
  process.exit(1);
}

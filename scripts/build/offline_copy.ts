import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build, type Plugin } from 'vite';
import type { Program } from '../../workers/protocol/offline.ts';
import { pageHeaders } from './page_headers.mjs';

/**
 * Writes dist/service_worker.js after everything else. It contains the list of all files and their digests.
 *
 * Why no library: Workbox (through vite-plugin-pwa) brings some two hundred packages and its own runtime, for one page
 * of code here. It neither checks digests nor knows whether a job is running.
 */
export function offlineCopy(): Plugin {
  let root = '';
  let outputFolder = '';
  let isWritten = false;
  return {
    name: 'offline-copy',
    apply: 'build',
    configResolved(config) {
      root = config.root;
      outputFolder = resolve(config.root, config.build.outDir);
    },
    writeBundle() {
      isWritten = true;
    },
    async closeBundle() {
      // This is also called after a failed build.
      if (!isWritten) return;
      const program = await describeProgram(outputFolder);
      await build({
        configFile: false,
        root,
        logLevel: 'warn',
        publicDir: false,
        define: { PROGRAM: JSON.stringify(program) },
        build: {
          target: 'es2023',
          outDir: outputFolder,
          emptyOutDir: false,
          rollupOptions: {
            input: resolve(root, 'workers/service_worker.ts'),
            output: { format: 'iife', entryFileNames: 'service_worker.js' },
          },
        },
      });
    },
  };
}

/**
 * Files that are not part of the copy: the terminal's page, which the terminal serves itself, and files for the host,
 * whose names begin with . or _.
 */
const LEFT_OUT = /^(?:terminal\.html|service_worker\.js|assets\/terminal-[^/]+\.js|[._].*)$/;

async function describeProgram(folder: string): Promise<Program> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((path) => !LEFT_OUT.test(path))
    .sort();
  const files = await Promise.all(
    paths.map(async (path) => {
      const digest = createHash('sha256').update(await readFile(join(folder, path)));
      // Hosts treat "index.html" differently, but the folder itself is the page on every host.
      return [path === 'index.html' ? '' : path, `sha256-${digest.digest('base64')}`] as const;
    }),
  );
  const content = { files, headers: pageHeaders };
  const version = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12);
  return { version, ...content };
}

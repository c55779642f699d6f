// `npm start`: installs what is missing, builds the page, serves it and opens a browser.
//
// This serves the built page, without the development server. The development server finds TensorFlow.js only when a
// worker first requests it. It then bundles it and reloads the page, in the middle of the first job. For work on the
// code, use `npm run dev`.
import { parseArgs } from 'node:util';
import { ensureBuild } from './setup/ensure_build.mjs';
import { ensureModules } from './setup/ensure_modules.mjs';
import { projectRoot } from './setup/run_command.mjs';

// The same port as always, if it is free, because a browser stores runs and datasets by address, including the port.
const PORT = 4173;

try {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      'no-open': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log('npm start [-- --port 4173] [--host 0.0.0.0] [--no-open]');
    process.exit(0);
  }
  await ensureModules();
  await ensureBuild();
  const { preview } = await import('vite');
  const server = await preview({
    root: projectRoot,
    logLevel: 'warn',
    preview: {
      port: readPort(values.port),
      strictPort: values.port !== undefined,
      host: values.host ?? 'localhost',
      open: hasDisplay() && !values['no-open'],
    },
  });
  const address = server.resolvedUrls?.local[0] ?? server.resolvedUrls?.network[0];
  console.log(`\n  The app runs at ${address}\n  Ctrl-C ends it.\n`);
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => {
      void server.close();
      process.exit(0);
    });
} catch (error) {
  console.error(`npm start: ${error.message}`);
  process.exit(1);
}

function readPort(text) {
  if (text === undefined) return PORT;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new Error(`--port takes a number from 1 to 65535, not "${text}".`);
  return port;
}

function hasDisplay() {
  if (process.env.CI || process.env.SSH_CONNECTION) return false;
  if (process.platform === 'darwin' || process.platform === 'win32') return true;
  return Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}

// `npm run newcomer`: times the first steps of somebody who has just found the project: a fresh clone, `npm start`,
// the page, and one click to a first model. --query "?people=4&photos=4" uses a smaller sample, --keep keeps the
// clone, --json prints one JSON object.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { chromiumArguments } from '../setup/chromium.mjs';
import { ensureChromium } from '../setup/ensure_chromium.mjs';
import { projectRoot, runCommand } from '../setup/run_command.mjs';

const START_LIMIT_MS = 20 * 60_000;
const JOB_LIMIT_MS = 30 * 60_000;

const { values } = parseArgs({
  options: {
    query: { type: 'string', default: '' },
    port: { type: 'string', default: '4187' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'facenet-newcomer-'));
const clone = join(folder, 'clone');
const startedAt = performance.now();
const stops = [];
/** Records the time since the previous step, and since the beginning. */
function stop(what) {
  const seconds = (performance.now() - startedAt) / 1000;
  const before = stops.at(-1)?.seconds ?? 0;
  stops.push({ what, seconds, tookSeconds: seconds - before });
  if (!values.json) console.log(`${what.padEnd(44)} ${(seconds - before).toFixed(1).padStart(8)} s`);
}

let server;
let context;
try {
  const { code, output } = await runCommand('git', ['clone', '--quiet', projectRoot, clone], { quiet: true });
  if (code !== 0) throw new Error(output);
  stop('git clone');
  const address = await start();
  stop('npm start: packages, build, server');

  context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: await ensureChromium(),
    headless: true,
    args: chromiumArguments(),
  });
  const page = await context.newPage();
  page.setDefaultTimeout(JOB_LIMIT_MS);
  await page.goto(address + values.query);
  await page.getByRole('button', { name: 'Try it with sample faces' }).click();
  stop('the page, and a click on the sample faces');
  await page.getByRole('list', { name: 'Aligned faces' }).getByRole('img').first().waitFor();
  stop('the first aligned face');
  await page.getByRole('heading', { name: /^Run \d{8}-\d{6}/ }).waitFor();
  await page.getByRole('log').getByText('Epoch: [1][1/').waitFor();
  stop('all aligned, and the first training step');
  await page.getByRole('heading', { name: 'Result' }).waitFor();
  stop('trained and evaluated');
  const banner = page.getByRole('region', { name: 'Sample run' });
  await banner.getByText(/Done|did not work|Stopped/).waitFor();
  if (!(await banner.innerText()).includes('Done')) throw new Error(await banner.innerText());
  stop('exported: a model to download');
  const total = stops.at(-1).seconds;
  if (values.json) console.log(JSON.stringify({ totalSeconds: total, stops }));
  else console.log(`${'in all'.padEnd(44)} ${total.toFixed(1).padStart(8)} s`);
} finally {
  await context?.close();
  if (server) await endServer();
  if (values.keep) console.log(`kept: ${clone}`);
  else await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
process.exit(0);

/** @returns the address of the page, once it is served */
function start() {
  return new Promise((resolve, reject) => {
    // A separate process group, so that npm and its children end together.
    server = spawn('npm', ['start', '--', '--no-open', '--port', values.port], {
      cwd: clone,
      detached: true,
    });
    let text = '';
    const timer = setTimeout(() => reject(new Error(`npm start took too long.\n${text}`)), START_LIMIT_MS);
    const listen = (chunk) => {
      text += chunk;
      const found = /The app runs at (\S+)/.exec(text);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    };
    server.stdout.on('data', listen);
    server.stderr.on('data', listen);
    server.on('exit', (code) => reject(new Error(`npm start ended with exit code ${code}.\n${text}`)));
  });
}

async function endServer() {
  server.removeAllListeners('exit');
  const ended = new Promise((resolve) => server.on('exit', resolve));
  process.kill(-server.pid, 'SIGTERM');
  await ended;
}

// `node scripts/chores/try_hosts.mjs`: tries docs/hosting.md on the real servers that are installed (nginx, Apache,
// Caddy; with the paths of Debian's packages). Each serves the built page from a folder of its host with the lines
// from the document, and a browser does the sample job. --query "" uses the whole sample; host names select hosts.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { chromiumArguments, findChromium } from '../setup/chromium.mjs';
import { distFolder, ensureBuild } from '../setup/ensure_build.mjs';
import { pageHeaders } from '../build/page_headers.mjs';
import { projectRoot } from '../setup/run_command.mjs';

const PLACE = '/some/where/';
const JOB_LIMIT_MS = 600_000;
const START_LIMIT_MS = 15_000;
const TYPES = {
  '.html': /^text\/html/,
  '.js': /^(?:text|application)\/javascript/,
  '.css': /^text\/css/,
  '.wasm': /^application\/wasm$/,
  '.svg': /^image\/svg\+xml/,
  '.png': /^image\/png$/,
  '.webmanifest': /^application\/manifest\+json/,
  '.txt': /^text\/plain/,
};
const COMPRESSED = new Set(['.html', '.js', '.css', '.wasm', '.svg']);
/** Files that only some hosts read from the page's folder. */
const FOR_HOSTS = /^[._]/;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    query: { type: 'string', default: '?people=4&photos=4&max_nrof_epochs=1&epoch_size=1&batch_size=4' },
  },
});
const document = readFileSync(join(projectRoot, 'docs/hosting.md'), 'utf8');
const fromDocument = (pattern) => pattern.exec(document)[1];

/** Each host with its command in the foreground, configured by files in `folder`, whose www/ is the host's root. */
const HOSTS = {
  nginx: {
    program: '/usr/sbin/nginx',
    start(folder, port) {
      const location = fromDocument(/```nginx\n([\s\S]*?)```/).replaceAll('/var/www', join(folder, 'www'));
      const text = `daemon off; pid ${folder}/nginx.pid; error_log stderr; events {}
http { access_log off; include /etc/nginx/mime.types; server { listen 127.0.0.1:${port};\n${location} } }`;
      return ['-p', folder, '-e', 'stderr', '-c', write(folder, 'nginx.conf', text)];
    },
  },
  apache: {
    program: '/usr/sbin/apache2',
    start(folder, port) {
      const modules = ['mpm_event', 'authz_core', 'dir', 'mime', 'headers', 'filter', 'deflate']
        .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
        .join('\n');
      const text = `${modules}
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
User www-data
Group www-data
Listen 127.0.0.1:${port}
TypesConfig /etc/mime.types
DirectoryIndex index.html
DocumentRoot ${folder}/www
<Directory ${folder}/www>
  ${fromDocument(/where `(AllowOverride [^`]*)`/)}
</Directory>
`;
      return ['-DFOREGROUND', '-f', write(folder, 'apache.conf', text)];
    },
  },
  caddy: {
    program: '/usr/bin/caddy',
    start(folder, port) {
      const site = fromDocument(/Caddy\*\*:\n\n```\n([\s\S]*?)```/)
        .replace('example.org', `http://localhost:${port}`)
        .replaceAll('/var/www', join(folder, 'www'));
      const file = write(folder, 'Caddyfile', `{\n    admin off\n    auto_https off\n}\n${site}`);
      return ['run', '--adapter', 'caddyfile', '--config', file];
    },
  },
};

await ensureBuild();
const chosen = Object.entries(HOSTS).filter(
  ([name]) => positionals.length === 0 || positionals.includes(name),
);
let failures = 0;
for (const [name, host] of chosen) {
  if (!existsSync(host.program)) console.log(`${name}: not installed (no ${host.program})`);
  else await tryHost(name, host);
}
process.exit(failures === 0 ? 0 : 1);

async function tryHost(name, { program, start }) {
  const folder = await mkdtemp(join(tmpdir(), 'facenet-host-'));
  // Servers read the files as a different user.
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'logs'));
  cpSync(distFolder, join(folder, 'www', PLACE), { recursive: true });
  const port = await freePort();
  const server = spawn(program, start(folder, port), { env: { ...process.env, HOME: folder } });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk) => (said += chunk));
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const stop = async () => {
    server.kill('SIGTERM');
    await ended;
  };
  const origin = `http://localhost:${port}`;
  try {
    await untilAnswering(origin);
    const problems = await checkFiles(origin);
    problems.push(...(await checkPage(origin, stop)));
    for (const problem of problems) console.log(`${name}: ${problem}`);
    console.log(`${name}: ${problems.length === 0 ? 'as it should be' : `${problems.length} problems`}`);
    failures += problems.length;
  } catch (error) {
    failures++;
    console.log(`${name}: ${error.message}\n${said}`);
  } finally {
    await stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns {Promise<string[]>} the problems with the responses */
async function checkFiles(origin) {
  const problems = [];
  const files = readdirSync(distFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !FOR_HOSTS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(distFolder.length + 1));
  for (const file of files) {
    // Hosts treat "index.html" differently.
    const address = origin + PLACE + (file === 'index.html' ? '' : file);
    const response = await fetch(address);
    const content = Buffer.from(await response.arrayBuffer());
    const wrong = (what) => problems.push(`${file}: ${what}`);
    if (response.status !== 200) {
      wrong(`status ${response.status}`);
      continue;
    }
    if (digest(content) !== digest(readFileSync(join(distFolder, file)))) wrong('other content');
    const type = response.headers.get('Content-Type') ?? 'none';
    const extension = extname(file);
    if (TYPES[extension] && !TYPES[extension].test(type)) wrong(`type ${type}`);
    for (const [header, value] of Object.entries(pageHeaders))
      if (response.headers.get(header) !== value) wrong(`${header}: ${response.headers.get(header)}`);
    const caching = response.headers.get('Cache-Control') ?? 'none';
    const mayKeep = file.startsWith('assets/');
    if (!(mayKeep ? /no-cache|immutable/ : /no-cache/).test(caching)) wrong(`Cache-Control: ${caching}`);
    if (COMPRESSED.has(extension) && content.length > 2000 && !response.headers.has('Content-Encoding'))
      wrong('not compressed');
  }
  const withoutSlash = await fetch(origin + PLACE.slice(0, -1));
  if (withoutSlash.url !== origin + PLACE || withoutSlash.status !== 200)
    problems.push(`without the last slash: status ${withoutSlash.status} at ${withoutSlash.url}`);
  const nothing = await fetch(`${origin + PLACE}nothing-here.js`);
  if (nothing.status !== 404) problems.push(`a file that is not there: status ${nothing.status}`);
  return problems;
}

/** Does the sample job, and opens the page once more after the host has stopped. */
async function checkPage(origin, stop) {
  const problems = [];
  const profile = await mkdtemp(join(tmpdir(), 'facenet-host-profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium()?.path,
    headless: true,
    args: chromiumArguments({ software: true }),
  });
  context.on('console', (message) => {
    if (message.type() === 'error') problems.push(`the page complains: ${message.text()}`);
  });
  context.on('weberror', (error) => problems.push(`the page fails: ${error.error().message}`));
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(JOB_LIMIT_MS);
    await page.goto(origin + PLACE + values.query);
    await page.getByRole('button', { name: 'Try it with sample faces' }).click();
    const banner = page.getByRole('region', { name: 'Sample run' });
    await banner.getByText(/Done|did not work|Stopped/).waitFor();
    if (!(await banner.innerText()).includes('Done'))
      problems.push(`the sample job: ${await banner.innerText()}`);
    const state = await page.evaluate(async () => {
      const { scope, active } = await navigator.serviceWorker.ready;
      return { isolated: crossOriginIsolated, scope, hasCopy: active !== null };
    });
    if (!state.isolated) problems.push('the page is not isolated');
    if (state.scope !== origin + PLACE) problems.push(`the service worker’s scope is ${state.scope}`);
    await stop();
    await page.goto(origin + PLACE, { timeout: START_LIMIT_MS });
    await page.getByRole('heading', { level: 1 }).waitFor({ timeout: START_LIMIT_MS });
  } catch (error) {
    problems.push(`in the browser: ${error.message}`);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  return problems;
}

async function untilAnswering(origin) {
  const limit = performance.now() + START_LIMIT_MS;
  for (;;)
    try {
      await fetch(origin);
      return;
    } catch (error) {
      if (performance.now() > limit) throw new Error('The server does not answer.', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function write(folder, name, text) {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function digest(content) {
  return createHash('sha256').update(content).digest('hex');
}

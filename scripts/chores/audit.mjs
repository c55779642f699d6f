// `npm run audit`: figures with pass marks for the built page: speed of the first visit, accessibility of every page
// and state, and good practice. The metrics and their pass marks are Lighthouse's (https://web.dev/articles/vitals).
// --json prints one JSON object, --quick omits the states that need a job, --query "?people=4&photos=4" makes the
// sample smaller.
import axe from 'axe-core';
import { createServer } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { chromiumArguments, findChromium } from '../setup/chromium.mjs';
import { distFolder, ensureBuild } from '../setup/ensure_build.mjs';
import { pageHeaders } from '../build/page_headers.mjs';
import { walkStates } from './page_states.mjs';

const WIDTHS = [400, 1280];
const SCHEMES = ['light', 'dark'];
const LOADS = 3;
/** The page is quiet if nothing has loaded and no long task has run for this time. */
const QUIET_MS = 2000;

/** Lighthouse's conditions: a mid-range phone on a slow mobile network, and a desktop computer. */
const VISITORS = {
  desk: { roundTripMs: 40, downloadKilobits: 10_240, slowdown: 1, width: 1350, height: 940 },
  phone: { roundTripMs: 150, downloadKilobits: 1638, slowdown: 4, width: 412, height: 823 },
};
const MARKS = {
  desk: { FCP: 934, LCP: 1200, TBT: 150, CLS: 0.1 },
  phone: { FCP: 1800, LCP: 2500, TBT: 200, CLS: 0.1 },
};
const SCRIPT_BUDGET_BYTES = 300_000;
const UNITS = { FCP: 'ms', LCP: 'ms', TBT: 'ms', CLS: '' };
const CONTENT_TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    query: { type: 'string', default: '?people=4&photos=4&max_nrof_epochs=2&epoch_size=2&batch_size=8' },
  },
});

/**
 * @type {{ area: string, what: string, value: string | number, mark: string, passed: boolean, details?: string[]
 *   }[]}
 */
const results = [];
const report = (area, what, value, mark, passed, details = []) =>
  results.push({ area, what, value, mark, passed, ...(details.length > 0 && { details }) });
const progress = (line) => {
  if (!values.json) console.log(line);
};

await ensureBuild({ quiet: values.json });
const server = await serveCompressed();
const address = `http://localhost:${server.address().port}/`;
const launchOptions = {
  executablePath: findChromium()?.path,
  headless: true,
  args: chromiumArguments({ software: true }),
};

try {
  for (const name of Object.keys(VISITORS)) await measureFirstVisit(name);
  await lookAtPages();
} finally {
  server.close();
}
const failed = results.filter(({ passed }) => !passed);
if (values.json) console.log(JSON.stringify({ passed: failed.length === 0, results }));
else printTable();
process.exit(failed.length === 0 ? 0 : 1);

/** Serves like a good host: compressed, with all headers. */
async function serveCompressed() {
  const app = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = pathname === '/' ? '/index.html' : pathname;
    readFile(join(distFolder, path)).then(
      (content) => {
        const type = CONTENT_TYPES[extname(path)] ?? 'application/octet-stream';
        const isCompressed = !/png|octet/.test(type);
        response.writeHead(200, {
          ...pageHeaders,
          'Content-Type': type,
          ...(isCompressed && { 'Content-Encoding': 'gzip' }),
        });
        response.end(isCompressed ? gzipSync(content) : content);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve));
  return app;
}

async function measureFirstVisit(visitor) {
  const { width, height, roundTripMs, downloadKilobits, slowdown } = VISITORS[visitor];
  const loads = [];
  for (let load = 0; load < LOADS; load++) {
    const browser = await chromium.launch(launchOptions);
    const page = await browser.newPage({ viewport: { width, height } });
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: roundTripMs,
      downloadThroughput: (downloadKilobits * 1024) / 8,
      uploadThroughput: (downloadKilobits * 512) / 8,
    });
    await session.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
    const bytes = countBytes(session);
    await page.addInitScript(observeVitals);
    await page.goto(address);
    const vitals = await page.evaluate((quietMs) => globalThis.vitalsWhenQuiet(quietMs), QUIET_MS);
    loads.push({ ...vitals, bytes: { ...bytes } });
    await browser.close();
  }
  for (const metric of Object.keys(UNITS)) {
    const value = median(loads.map((load) => load[metric]));
    const mark = MARKS[visitor][metric];
    report(
      `speed (${visitor})`,
      metric,
      metric === 'CLS' ? Number(value.toFixed(4)) : Math.round(value),
      `≤ ${mark} ${UNITS[metric]}`.trim(),
      value <= mark,
    );
  }
  if (visitor !== 'desk') return;
  const { bytes } = loads[0];
  const script = bytes.Script ?? 0;
  report(
    'size',
    'script before the first picture',
    `${kilobytes(script)} kB`,
    `≤ ${SCRIPT_BUDGET_BYTES / 1000} kB`,
    script <= SCRIPT_BUDGET_BYTES,
  );
  for (const [kind, size] of Object.entries(bytes))
    if (kind !== 'Script') report('size', kind.toLowerCase(), `${kilobytes(size)} kB`, '', true);
}

/**
 * Transferred bytes, by type, for the requests of the page itself. The service worker's offline copy does not count.
 */
function countBytes(session) {
  const kinds = new Map();
  const bytes = {};
  session.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId) ?? 'Other';
    bytes[kind] = (bytes[kind] ?? 0) + encodedDataLength;
  });
  return bytes;
}

/** Runs in the page: collects the browser's measurements. */
function observeVitals() {
  const vitals = { FCP: 0, LCP: 0, TBT: 0, CLS: 0 };
  let lastBusyAt = 0;
  const observe = (type, use) =>
    new PerformanceObserver((list) => list.getEntries().forEach(use)).observe({ type, buffered: true });
  observe('paint', (entry) => {
    if (entry.name === 'first-contentful-paint') vitals.FCP = entry.startTime;
  });
  observe('largest-contentful-paint', (entry) => (vitals.LCP = entry.startTime));
  observe('layout-shift', (entry) => {
    if (!entry.hadRecentInput) vitals.CLS += entry.value;
  });
  const tasks = [];
  observe('longtask', (entry) => {
    lastBusyAt = performance.now();
    tasks.push(entry);
  });
  globalThis.vitalsWhenQuiet = async (quietMs) => {
    lastBusyAt = performance.now();
    while (performance.now() - lastBusyAt < quietMs || vitals.LCP === 0)
      await new Promise((resolve) => setTimeout(resolve, 100));
    // Tasks before the first contentful paint count in FCP, not here (as in Lighthouse).
    for (const { startTime, duration } of tasks)
      vitals.TBT += Math.max(0, startTime + duration - Math.max(startTime, vitals.FCP) - 50);
    return vitals;
  };
}

async function lookAtPages() {
  const profile = await mkdtemp(join(tmpdir(), 'facenet-audit-'));
  const context = await chromium.launchPersistentContext(profile, {
    ...launchOptions,
    viewport: { width: 1280, height: 900 },
    reducedMotion: 'reduce',
  });
  const complaints = [];
  const foreign = [];
  const issues = [];
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  context.on('weberror', ({ error }) => complaints.push(String(error())));
  context.on('request', (request) => {
    if (!request.url().startsWith(address) && !/^(blob|data):/.test(request.url()))
      foreign.push(request.url());
  });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  session.on('Audits.issueAdded', ({ issue }) => issues.push(issue));
  await session.send('Audits.enable');

  const violations = new Map();
  let states = 0;
  const distorted = new Set();
  const overflowing = [];
  await walkStates(
    page,
    { address, query: values.query, withJobs: !values.quick },
    async (name, { isBrief }) => {
      for (const width of isBrief ? [1280] : WIDTHS)
        for (const colorScheme of SCHEMES) {
          await page.setViewportSize({ width, height: 900 });
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          await untilPainted(page);
          for (const violation of await axeViolations(page)) violations.set(violation, name);
          for (const source of await page.evaluate(distortedPictures)) distorted.add(`${name}: ${source}`);
          const extra = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (extra > 0) overflowing.push(`${name} at ${width}: ${extra} px`);
          states++;
        }
      progress(`looked at ${name}`);
    },
  );
  report(
    'accessibility',
    `axe, ${states} views (pages and states, ${WIDTHS.join(' and ')} px, light and dark)`,
    `${violations.size} violations`,
    '0',
    violations.size === 0,
    [...violations].map(([violation, name]) => `${name}: ${violation}`),
  );
  report(
    'layout',
    'views wider than the window',
    overflowing.length,
    '0',
    overflowing.length === 0,
    overflowing,
  );
  await reportPractice({ page, session, complaints, foreign, issues, distorted });
  await context.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** A busy machine may take long to repaint a page in other colours. */
async function untilPainted(page) {
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 250)));
      }),
  );
}

async function axeViolations(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id} ${target.join(' ')}`));
}

/** Runs in the page: finds pictures that are shown with wrong proportions. */
function distortedPictures() {
  return [...document.images]
    .filter(({ naturalWidth, width, height }) => naturalWidth > 0 && width > 0 && height > 0)
    .filter((image) => !['cover', 'contain'].includes(getComputedStyle(image).objectFit))
    .filter(
      ({ naturalWidth, naturalHeight, width, height }) =>
        Math.abs(naturalWidth / naturalHeight / (width / height) - 1) > 0.05,
    )
    .map(({ src }) => src.slice(0, 80));
}

async function reportPractice({ page, session, complaints, foreign, issues, distorted }) {
  const none = (area, what, list) => report(area, what, list.length, '0', list.length === 0, list);
  const yes = (area, what, isSo) => report(area, what, isSo ? 'yes' : 'no', 'yes', isSo);
  none('practice', 'errors in the console', complaints);
  none('practice', 'requests to other origins', foreign);
  const ofKind = (code) =>
    issues.filter((issue) => issue.code === code).map(({ details }) => JSON.stringify(details));
  none('practice', 'refused by the Content-Security-Policy', ofKind('ContentSecurityPolicyIssue'));
  none('practice', 'deprecated features in use', ofKind('DeprecationIssue'));
  none('practice', 'pictures with wrong proportions', [...distorted]);
  await page.goto(address);
  await page.getByRole('heading', { level: 1 }).waitFor();
  const facts = await page.evaluate(() => ({
    secure: isSecureContext,
    isolated: crossOriginIsolated,
    doctype: document.doctype?.name === 'html',
    charset: document.characterSet === 'UTF-8',
    language: document.documentElement.lang !== '',
    title: document.title !== '',
    description: Boolean(document.querySelector('meta[name=description]')?.content),
    viewport: Boolean(document.querySelector('meta[name=viewport]')?.content.includes('width=device-width')),
    zoomable: !/user-scalable=no|maximum-scale/.test(document.querySelector('meta[name=viewport]')?.content),
  }));
  yes('practice', 'secure context', facts.secure);
  yes('practice', 'isolated from other origins', facts.isolated);
  yes('practice', 'document type, UTF-8, language', facts.doctype && facts.charset && facts.language);
  yes('practice', 'title and description', facts.title && facts.description);
  yes('practice', 'fits phones, can be zoomed', facts.viewport && facts.zoomable);
  const { errors } = await session.send('Page.getAppManifest');
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  none('app', 'obstacles to installation', [
    ...errors.map(({ message }) => message),
    ...installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito'),
  ]);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.context().setOffline(true);
  await page.reload();
  const opens = await page
    .getByRole('heading', { level: 1 })
    .waitFor({ timeout: 10_000 })
    .then(
      () => true,
      () => false,
    );
  yes('app', 'opens without a network', opens);
}

function printTable() {
  const columns = ['area', 'what', 'value', 'mark'];
  const rows = results.map((result) => columns.map((column) => String(result[column])));
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => row[index].length)),
  );
  const line = (cells) => cells.map((cell, index) => cell.padEnd(widths[index])).join('  ');
  console.log(`\n${line(columns)}\n${widths.map((width) => '─'.repeat(width)).join('  ')}`);
  results.forEach(({ passed, details = [] }, index) => {
    console.log(`${line(rows[index])}  ${passed ? 'ok' : 'FAILED'}`);
    for (const detail of passed ? [] : details) console.log(`    ${detail}`);
  });
  console.log(`\n${results.length - failed.length} passed, ${failed.length} failed`);
}

function median(list) {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
}

function kilobytes(bytes) {
  return (bytes / 1000).toFixed(1);
}

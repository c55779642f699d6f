// `npm run screenshots`: writes pictures of every page and state to docs/screenshots, in the light theme, and for the
// last width also in the dark theme. --widths 400,1280 sets the widths, --all makes dark pictures for all widths,
// --query "?people=4&photos=4" makes the sample smaller, --empty omits states that need a job, --only
// train-done,use-compare takes only these states.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { preview } from 'vite';
import { chromiumArguments, findChromium } from '../setup/chromium.mjs';
import { distFolder, ensureBuild } from '../setup/ensure_build.mjs';
import { walkStates } from './page_states.mjs';
import { projectRoot } from '../setup/run_command.mjs';

const SCHEMES = ['light', 'dark'];
/** The quality for the browser's WebP encoder. Text stays crisp, and a page has some 60 kB. */
const QUALITY = 0.75;
/** Pictures are cut at this height, because nothing new follows. */
const HEIGHT_LIMIT = 3000;

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'docs/screenshots' },
    query: { type: 'string', default: '' },
    dist: { type: 'string' },
    widths: { type: 'string', default: '400,1280' },
    empty: { type: 'boolean', default: false },
    only: { type: 'string' },
    all: { type: 'boolean', default: false },
    // For image viewers without WebP; the files are four times as large.
    png: { type: 'boolean', default: false },
  },
});
const only = values.only?.split(',');
const allWidths = values.widths.split(',').map(Number);
const extension = values.png ? 'png' : 'webp';
const folder = resolve(projectRoot, values.out);
mkdirSync(folder, { recursive: true });

if (!values.dist) await ensureBuild();
const server = await preview({
  root: projectRoot,
  logLevel: 'warn',
  build: { outDir: values.dist ?? distFolder },
  preview: { port: 4179, host: 'localhost' },
});
const profile = await mkdtemp(join(tmpdir(), 'facenet-screenshots-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: findChromium()?.path,
  headless: true,
  args: chromiumArguments({ software: true }),
  reducedMotion: 'reduce',
  viewport: { width: 1280, height: 900 },
  locale: 'en-GB',
});
const encoder = await context.newPage();
const written = new Set();

try {
  const page = await context.newPage();
  await page.bringToFront();
  await walkStates(
    page,
    { address: server.resolvedUrls.local[0], query: values.query, withJobs: !values.empty },
    async (name, { isBrief, isDialog }) => {
      if (only && !only.includes(name)) return;
      await shoot(page, name, isBrief ? [allWidths.at(-1)] : allWidths, !isDialog);
    },
  );
  removeOldPictures();
} finally {
  await context.close();
  await server.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
process.exit(0);

async function shoot(page, name, widths, fullPage) {
  await page.evaluate(() => document.activeElement?.blur());
  for (const width of widths)
    for (const colorScheme of width === allWidths.at(-1) || values.all ? SCHEMES : ['light']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 900 });
      // Charts are redrawn for a new size or colour.
      await page.waitForTimeout(600);
      await page.evaluate(() => window.scrollTo(0, 0));
      const height = fullPage ? await page.evaluate(() => document.documentElement.scrollHeight) : 900;
      const png = await page.screenshot({
        fullPage,
        ...(fullPage && { clip: { x: 0, y: 0, width, height: Math.min(height, HEIGHT_LIMIT) } }),
      });
      const file = `${name}-${width}-${colorScheme}.${extension}`;
      writeFileSync(join(folder, file), values.png ? png : await toWebp(png));
      written.add(file);
    }
  console.log(name);
}

/** Removes pictures of states that no longer exist. Other files, and pictures of the other type, stay. */
function removeOldPictures() {
  if (values.empty || only) return;
  const ours = new RegExp(`-\\d+-(?:${SCHEMES.join('|')})\\.${extension}$`);
  for (const file of readdirSync(folder))
    if (ours.test(file) && !written.has(file)) rmSync(join(folder, file));
}

/** Encodes with the browser's encoder, in a separate page. */
async function toWebp(png) {
  const base64 = await encoder.evaluate(
    async ([source, quality]) => {
      const bytes = Uint8Array.from(atob(source), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      const webp = new Uint8Array(
        await (await canvas.convertToBlob({ type: 'image/webp', quality })).arrayBuffer(),
      );
      let text = '';
      for (const byte of webp) text += String.fromCharCode(byte);
      return btoa(text);
    },
    [png.toString('base64'), QUALITY],
  );
  return Buffer.from(base64, 'base64');
}

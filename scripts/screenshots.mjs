// `node scripts/screenshots.mjs`: pictures of every page and state at three widths, in light and dark, into
// docs/screenshots. Only drawn faces are seen on them. --query "?people=4&photos=4" makes the sample smaller,
// --widths 400,1280 takes other widths.
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { preview } from 'vite';
import { chromiumArguments, findChromium } from './chromium.mjs';
import { distFolder, ensureBuild } from './ensure_build.mjs';
import { projectRoot } from './run_command.mjs';

const SCHEMES = ['light', 'dark'];
const JOB_LIMIT_MS = 600_000;

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'docs/screenshots' },
    query: { type: 'string', default: '' },
    dist: { type: 'string' },
    widths: { type: 'string', default: '400,1024,1600' },
    // What image viewers without WebP need; four times as large.
    png: { type: 'boolean', default: false },
  },
});
const allWidths = values.widths.split(',').map(Number);
const folder = join(projectRoot, values.out);
mkdirSync(folder, { recursive: true });

if (!values.dist) await ensureBuild();
const server = await preview({
  root: projectRoot,
  logLevel: 'warn',
  build: { outDir: values.dist ?? distFolder },
  preview: { port: 4179, host: 'localhost' },
});
const address = server.resolvedUrls.local[0];
const profile = await mkdtemp(join(tmpdir(), 'facenet-screenshots-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: findChromium()?.path,
  headless: true,
  args: chromiumArguments({ software: true }),
  reducedMotion: 'reduce',
  viewport: { width: 1024, height: 900 },
  locale: 'en-GB',
});

const encoder = await context.newPage();

try {
  const page = await context.newPage();
  await page.bringToFront();
  page.setDefaultTimeout(JOB_LIMIT_MS);
  page.on('dialog', (dialog) => void dialog.accept());
  await page.goto(address + values.query);
  await page.getByRole('button', { name: 'Try it with sample faces' }).waitFor();
  await shoot(page, 'photos-empty');
  for (const name of ['train', 'evaluate', 'models']) {
    await open(page, name);
    await shoot(page, `${name}-empty`);
  }
  await open(page, 'privacy');
  await shoot(page, 'privacy');

  await open(page, 'photos');
  await page.getByRole('button', { name: 'Try it with sample faces' }).click();
  await page.getByRole('progressbar', { name: 'Drawing sample faces' }).waitFor();
  await shoot(page, 'photos-drawing', [1024]);
  await page.getByRole('heading', { name: 'The newest faces' }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await shoot(page, 'photos-paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('log').getByText('Checkpoint saved').first().waitFor();
  await page.getByRole('log').getByText('Epoch: [2]').first().waitFor();
  await shoot(page, 'train-running');
  await page.getByRole('region', { name: 'Sample run' }).getByText('Done').waitFor();
  await shoot(page, 'models-exported');
  await page.getByRole('button', { name: /^Close the sample run/ }).click();
  for (const name of ['photos', 'train', 'evaluate']) {
    await open(page, name);
    await shoot(page, `${name}-done`);
  }

  await open(page, 'train');
  await page.getByRole('button', { name: 'New run' }).click();
  await shoot(page, 'train-settings');
  await page.getByText('All settings').click();
  await page.getByLabel('Learning rate schedule').fill('0: 0.05\nthen: less\n');
  await shoot(page, 'train-bad-setting', [1024]);
  await page.getByLabel('Learning rate schedule').fill('0: 0.05\n');
  await page.getByLabel('Steps in an epoch').fill('2');
  await page.getByRole('button', { name: 'Start training' }).click();
  await page.getByRole('log').getByText('Checkpoint saved').first().waitFor();
  await page.reload();
  await page.getByRole('region', { name: 'Interrupted run' }).waitFor();
  await shoot(page, 'train-interrupted');
  await open(page, 'models');
  await page.getByRole('button', { name: 'Delete everything' }).click();
  await shoot(page, 'models-delete', [1024], false);
} finally {
  await context.close();
  await server.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
process.exit(0);

async function open(page, name) {
  await page.goto(`${address}${values.query}#${name}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
}

/** The browser's own encoder, in a page of its own. */
async function toWebp(png) {
  const base64 = await encoder.evaluate(async (source) => {
    const bytes = Uint8Array.from(atob(source), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
    const webp = new Uint8Array(
      await (await canvas.convertToBlob({ type: 'image/webp', quality: 0.85 })).arrayBuffer(),
    );
    let text = '';
    for (const byte of webp) text += String.fromCharCode(byte);
    return btoa(text);
  }, png.toString('base64'));
  return Buffer.from(base64, 'base64');
}

async function shoot(page, name, widths = allWidths, fullPage = true) {
  await page.evaluate(() => document.activeElement?.blur());
  for (const width of widths)
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 900 });
      // Charts are drawn anew for a new size or colour.
      await page.waitForTimeout(600);
      await page.evaluate(() => window.scrollTo(0, 0));
      const png = await page.screenshot({ fullPage });
      writeFileSync(
        join(folder, `${name}-${width}-${colorScheme}.${values.png ? 'png' : 'webp'}`),
        values.png ? png : await toWebp(png),
      );
    }
  console.log(name);
}

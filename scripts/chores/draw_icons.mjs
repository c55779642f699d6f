// `node scripts/chores/draw_icons.mjs`: draws public/icons from public/logo.svg, for the manifest and for home screens.
// Needed only when the logo changes, because the pictures are part of the project.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { chromiumArguments, findChromium } from '../setup/chromium.mjs';
import { projectRoot } from '../setup/run_command.mjs';

const BACKGROUND = '#e1f1ee';
/**
 * logoShare: share of the side. A maskable icon may be cut to a circle of 80 % of its side, so the logo must fit into
 * it.
 */
const ICONS = [
  { file: 'icon-192.png', side: 192, logoShare: 0.86, background: 'transparent' },
  { file: 'icon-512.png', side: 512, logoShare: 0.86, background: 'transparent' },
  { file: 'icon-maskable-512.png', side: 512, logoShare: 0.54, background: BACKGROUND },
  { file: 'apple-touch-icon.png', side: 180, logoShare: 0.64, background: BACKGROUND },
];

const logo = readFileSync(join(projectRoot, 'public/logo.svg'), 'utf8');
const folder = join(projectRoot, 'public/icons');
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: findChromium()?.path, args: chromiumArguments() });
const page = await browser.newPage({ colorScheme: 'light' });
for (const { file, side, logoShare, background } of ICONS) {
  await page.setViewportSize({ width: side, height: side });
  await page.setContent(
    `<style>
      body { margin: 0; display: grid; place-items: center; height: 100vh; background: ${background} }
      svg { width: ${logoShare * 100}vw; height: ${logoShare * 100}vw }
    </style>${logo}`,
  );
  writeFileSync(join(folder, file), await page.screenshot({ omitBackground: true }));
  console.log(file);
}
await browser.close();

/**
 * Finds everything that is too wide, cut off or hidden, on every page, from the narrowest phone to a wide screen. Also
 * checks that pages do not contradict each other. The test writes the stored data itself, with long names.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAllDetails } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { RUN, storeRuns } from './helpers/stored_runs.ts';

const WIDTHS = [320, 400, 1280, 1920];
const PLACES = [
  'photos',
  'train',
  'train, a run',
  'evaluate',
  'evaluate, a result',
  'models',
  'use/compare',
  'use/identify',
  'use/inspect',
  'privacy',
];

let browser: PageBrowser;
let page: Page;

beforeAll(async () => {
  browser = await PageBrowser.open({ reducedMotion: 'reduce' });
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.getByRole('button', { name: 'Try it with sample faces' }).waitFor();
  await storeRuns(page);
  await page.reload();
});

afterAll(() => browser?.close());

async function open(place: string): Promise<void> {
  const [address, part] = place.split(', ');
  await page.goto(`${browser.address}#${address}`);
  // Close what an earlier test has opened.
  if (!part) await page.reload();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('progressbar', { name: /^Loading/ }).waitFor({ state: 'detached' });
  if (part === 'a run') {
    const back = page.getByRole('button', { name: /^(New run|Back to the list)$/ });
    if (!(await back.count())) await page.getByRole('button', { name: new RegExp(`^${RUN}`) }).click();
    await page.getByRole('heading', { name: `Run ${RUN}` }).waitFor();
  }
  if (part === 'a result') {
    const show = page.getByRole('button', { name: /^Show the result/ }).first();
    await show.waitFor();
    if (await show.isEnabled()) await show.click();
    await page.getByRole('heading', { name: 'Result' }).waitFor();
  }
  await openAllDetails(page);
}

/** Describes everything on the visible page that is too wide or cut off. */
function faultsAt(width: number): Promise<string[]> {
  return page.evaluate((windowWidth) => {
    const faults: string[] = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const widest = [...document.querySelectorAll('main *')]
        .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
        .slice(0, 4)
        .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`);
      faults.push(`scrolls sideways: ${root.scrollWidth} pixels, by ${widest.join(' ')}`);
    }
    const steps = [...document.querySelectorAll('nav[aria-label=Steps] a')];
    const textBox = (element: Element): DOMRect => {
      const range = document.createRange();
      range.selectNodeContents(element);
      return range.getBoundingClientRect();
    };
    for (const part of ['.title', '.state'])
      steps.forEach((step, index) => {
        const element = step.querySelector(part)!;
        if (element.scrollWidth > element.clientWidth + 1)
          faults.push(`the step’s “${element.textContent}” is cut off`);
        const next = steps[index + 1]?.querySelector(part);
        if (next && textBox(next).left - textBox(element).right < 3)
          faults.push(`“${element.textContent}” touches “${next.textContent}”`);
      });
    const visible = (element: Element): boolean => element.getClientRects().length > 0;
    // On the narrowest screens, an ellipsis shows that there is more.
    if (windowWidth >= 400)
      for (const select of document.querySelectorAll('main select')) {
        if (!visible(select) || !(select instanceof HTMLSelectElement)) continue;
        // The longest choice may be the selected one.
        const clone = select.cloneNode(true) as HTMLSelectElement;
        Object.assign(clone.style, {
          position: 'absolute',
          visibility: 'hidden',
          width: 'auto',
          maxWidth: 'none',
        });
        select.parentElement!.append(clone);
        const wanted = clone.offsetWidth;
        clone.remove();
        if (wanted > select.offsetWidth + 1)
          faults.push(
            `a choice of “${select.labels[0]?.textContent ?? select.ariaLabel ?? ''}” is cut off: ${wanted} > ${select.offsetWidth} pixels`,
          );
      }
    if (windowWidth >= 1280)
      for (const wrap of document.querySelectorAll('main .table-wrap'))
        if (visible(wrap) && wrap.scrollWidth > wrap.clientWidth + 1)
          faults.push(
            `the table “${wrap.getAttribute('aria-label')}” is too wide: ${wrap.scrollWidth} > ${wrap.clientWidth}`,
          );
    for (const text of document.querySelectorAll('main figure svg text')) {
      const box = text.getBoundingClientRect();
      const frame = text.closest('svg')!.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1)
        faults.push(`the chart’s label “${text.textContent}” is cut off`);
    }
    return faults;
  }, width);
}

describe.each(WIDTHS)('at %i pixels', (width) => {
  it.each(PLACES)('%s', async (place) => {
    await page.setViewportSize({ width, height: 900 });
    await open(place);
    // Charts are redrawn for the new width.
    await expect.poll(() => faultsAt(width), { timeout: 5000 }).toEqual([]);
  });
});

describe.each([400, 1280])('the keyboard’s focus at %i pixels', (width) => {
  it('is never under the header', async () => {
    await page.setViewportSize({ width, height: 900 });
    await open('train');
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    await page.locator('footer a').focus();
    const hidden: string[] = [];
    for (let press = 0; press < 45; press++) {
      await page.keyboard.press('Shift+Tab');
      const found = await page.evaluate(() => {
        const header = document.querySelector('header')!;
        const focused = document.activeElement!;
        if (header.contains(focused) || focused === document.body) return '';
        const { top } = focused.getBoundingClientRect();
        // The ring is 3 pixels, 2 away from the control.
        const ringTop = top - 5;
        const { bottom } = header.getBoundingClientRect();
        return ringTop < bottom - 0.5 ? `${focused.tagName} ${focused.id}: ${ringTop} < ${bottom}` : '';
      });
      if (found) hidden.push(found);
    }
    expect(hidden).toEqual([]);
  });
});

describe('the GPU', () => {
  it('is described in the same way everywhere: here there is none', async () => {
    const sentence = 'No GPU was found (the browser only simulates one)';
    await page.goto(`${browser.address}#photos`);
    await page.getByText(sentence).waitFor();
    expect(await page.locator('main').innerText()).not.toContain('on your own GPU');
    await open('train');
    const back = page.getByRole('button', { name: 'New run' });
    if (await back.count()) await back.click();
    await page.getByText(sentence).waitFor();
    await open('privacy');
    const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'WebGPU' }) });
    await expect.poll(() => row.innerText()).toContain(sentence);
    expect(await row.innerText()).toContain('simulated');
  });
});

it('keeps what the step bar says after a reload', async () => {
  const steps = page.getByRole('navigation', { name: 'Steps' });
  await page.reload();
  for (const text of ['1 set', '2 runs', '71.7% correct', '2 models']) await steps.getByText(text).waitFor();
});

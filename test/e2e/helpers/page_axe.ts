/** axe-core in the page: what it finds, in a form that a failed test can be read from. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** @returns one line a violation and element; empty when the page is clean */
export async function axeViolations(page: Page): Promise<string[]> {
  // Not as a script element: the page's own policy would refuse it.
  await page.evaluate(axe.source);
  await whenColoursRest(page);
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary ?? ''}`),
  );
}

/** Changes the colours, and waits until the page has been painted with them. */
export async function showColourScheme(page: Page, colorScheme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 50)));
        // A page that has nothing new to paint may be given no frame.
        setTimeout(resolve, 2_000);
      }),
  );
  await whenColoursRest(page);
}

/**
 * In the middle of a transition a text has no contrast. Not by the animations' promises: that of a transition which is
 * cut short between the list and the wait never ends. What moves for ever is not waited for.
 */
async function whenColoursRest(page: Page): Promise<void> {
  await page.waitForFunction(
    () =>
      !document
        .getAnimations()
        .some(
          ({ effect, playState }) =>
            playState === 'running' && Number.isFinite(effect?.getComputedTiming().endTime),
        ),
    undefined,
    { polling: 100 },
  );
}

/** What is folded away is looked at too. */
export async function openAllDetails(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('main details'))
      (details as HTMLDetailsElement).open = true;
  });
}

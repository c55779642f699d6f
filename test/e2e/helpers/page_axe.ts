/** Runs axe-core in the page. The findings are in a form that a failed test can show. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** @returns one line per violation and element; empty if there are none */
export async function axeViolations(page: Page): Promise<string[]> {
  // Not as a script element, which the policy of the page would refuse.
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
        // A page with nothing new to paint may get no frame.
        setTimeout(resolve, 2_000);
      }),
  );
  await whenColoursRest(page);
}

/**
 * Waits for transitions, because a text has no contrast in the middle of one. This does not use the promises of
 * animations: that of a transition that is cut short between the list and the wait never settles. Endless animations
 * are ignored.
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

/** Opens folded parts, so that they are checked, too. */
export async function openAllDetails(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('main details'))
      (details as HTMLDetailsElement).open = true;
  });
}

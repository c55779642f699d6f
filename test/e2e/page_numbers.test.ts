/**
 * Enters common mistakes into every number field on every page. The fields are found on the page, so new fields are
 * also tested. For a new section with such fields, add here what a wrong number blocks.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeDrawnFaces } from './helpers/drawn_faces.ts';
import { openAllDetails } from './helpers/page_axe.ts';
import { PageBrowser } from './helpers/page_browser.ts';
import { smallModelFile } from './helpers/small_model.ts';
import { RUN, storeRuns } from './helpers/stored_runs.ts';

const JOB_LIMIT_MS = 120_000;
/** Browsers do not accept `1e` as a number, and do not let `abc` into the field. */
const ENTRIES = ['', '-1', '0', '1e308', '0.5', '99999999', 'abc', '1e'];
/** Not accepted in any field. */
const NEVER_RIGHT = ['1e308', '1e'];
const PAGES_WITHOUT_NUMBERS = ['models', 'use/inspect', 'privacy'];

/**
 * What a wrong number blocks, by the heading of its section: a button, or only its own effect if a number takes effect
 * at once.
 */
const STOPPED_BY_SECTION: Readonly<Record<string, string | undefined>> = {
  'photos: Settings': 'Align the faces',
  'train: Settings': 'Start training',
  'evaluate: Pairs': 'Evaluate',
  'evaluate: Result': 'Recalculate',
  'train: Charts': undefined,
  'use/compare: Threshold': undefined,
  'use/identify: How faces are recognised': undefined,
  'use/identify: Test it': 'Test',
};

interface Tried {
  /** Descriptions of fields that violate the rule. */
  readonly faults: string[];
  readonly sections: Set<string>;
  fieldCount: number;
}

let browser: PageBrowser;
let page: Page;
let root: string;
const tried: Tried = { faults: [], sections: new Set(), fieldCount: 0 };

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'facenet-numbers-'));
  browser = await PageBrowser.open({ reducedMotion: 'reduce' });
  await browser.context.addInitScript(() => {
    // Playwright can set the files of an input, but not of the browser's file picker.
    delete (window as { showDirectoryPicker?: unknown }).showDirectoryPicker;
  });
  page = await browser.newPage('#photos');
  page.setDefaultTimeout(30_000);
  page.on('dialog', (dialog) => void dialog.accept());
  page.on('crash', () => tried.faults.push('the page crashed'));
  await writeDrawnFaces(page, join(root, 'faces'), { people: 4, photos: 4, sizePx: 96 });
  await storeRuns(page);
  await page.reload();
});

afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

const button = (name: string | RegExp): Locator => page.getByRole('button', { name, exact: true });

async function open(place: string): Promise<void> {
  await page.goto(`${browser.address}#${place}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
}

async function chooseFolder(label: string): Promise<void> {
  await page.getByLabel(`${label}: folder`, { exact: true }).setInputFiles(join(root, 'faces'));
}

/** A file field has no role, and those of other cards have longer names. */
async function chooseModel(): Promise<void> {
  const field = page.locator('input[type=file][aria-label="Model file"]');
  await field.setInputFiles(await smallModelFile(1));
}

/** Like a person: empties the field, types the text, and leaves the field. */
async function enter(field: Locator, entry: string): Promise<void> {
  const isNumber = /^[-\d.]*(e\d+)?$/.test(entry);
  await field.fill(isNumber ? entry : '');
  if (!isNumber) await field.pressSequentially(entry);
  await field.blur();
}

interface FieldState {
  readonly isMarked: boolean;
  readonly sentence: string;
  readonly text: string;
  readonly value: number;
  /** Whether the value is within the limits in the attributes of the field. */
  readonly isWithin: boolean;
}

/** The state of a field after the page has reacted to an entry. */
function stateOf(field: Locator): Promise<FieldState> {
  return field.evaluate(async (element) => {
    const input = element as HTMLInputElement;
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const described = (input.getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean);
    const { validity, value, valueAsNumber } = input;
    return {
      isMarked: input.getAttribute('aria-invalid') === 'true',
      sentence: described
        .filter((id) => id.endsWith('-problem'))
        .map((id) => document.getElementById(id)?.textContent?.trim() ?? '')
        .join(' '),
      text: value,
      value: valueAsNumber,
      isWithin: validity.valid,
    };
  });
}

/** Tries every entry in every field for a number that the page shows. */
async function tryFieldsOf(place: string): Promise<void> {
  await openAllDetails(page);
  const fields = page.locator(
    'main :is(input[type=number], input[inputmode=decimal], input[inputmode=numeric])',
  );
  const count = await fields.count();
  for (let index = 0; index < count; index++) {
    const field = fields.nth(index);
    if (!(await field.isVisible()) || !(await field.isEnabled())) continue;
    const { label, heading } = await field.evaluate((element) => ({
      label: (element as HTMLInputElement).labels?.[0]?.textContent?.trim() ?? '',
      // Without the explanations of words in it.
      heading: element.closest('section')?.querySelector<HTMLElement>('h2')?.innerText.trim() ?? '',
    }));
    const section = `${place}: ${heading}`;
    const name = `${section}: ${label}`;
    if (!(section in STOPPED_BY_SECTION)) {
      tried.faults.push(`${name}: nothing is known of this section`);
      continue;
    }
    tried.sections.add(section);
    tried.fieldCount++;
    const before = await field.inputValue();
    const stopped = STOPPED_BY_SECTION[section];
    for (const entry of ENTRIES) {
      await enter(field, entry);
      const state = await stateOf(field);
      const fault = (words: string): number =>
        tried.faults.push(`${name}: “${entry}” ${words} (${JSON.stringify(state)})`);
      if (state.isMarked) {
        if (!/^[A-Z].+\.$/.test(state.sentence)) fault('is marked without a sentence');
        if (stopped !== undefined && (await button(stopped).isEnabled()))
          fault(`is marked, and “${stopped}” can be pressed`);
      } else {
        if (NEVER_RIGHT.includes(entry)) fault('is taken');
        if (!state.isWithin) fault('is taken, against the field’s own bounds');
        if (state.text !== '' && !Number.isFinite(state.value)) fault('is taken, and no number');
      }
    }
    await enter(field, before);
    if ((await stateOf(field)).isMarked) tried.faults.push(`${name}: its first value ${before} is marked`);
  }
}

describe.sequential('every field for a number', () => {
  it('of Photos', async () => {
    await open('photos');
    await chooseFolder('Folders of photos');
    await button('Align the faces').waitFor();
    await tryFieldsOf('photos');
    expect(await button('Align the faces').isEnabled()).toBe(true);
    expect(tried.faults).toEqual([]);
  });

  it('of Train, with the fields for pairs', async () => {
    await open('train');
    await chooseFolder('Folders of aligned faces');
    await openAllDetails(page);
    await page.getByRole('checkbox', { name: /^Evaluate the model on/ }).check();
    expect(await button('Start training').isDisabled()).toBe(true);
    await page.getByText('Choose the folder of faces for the pairs.').waitFor();
    await chooseFolder('Folder of aligned faces for the pairs');
    await expect.poll(() => button('Start training').isEnabled()).toBe(true);
    await tryFieldsOf('train');
    expect(await button('Start training').isEnabled()).toBe(true);
    expect(tried.faults).toEqual([]);
  });

  it('of a run and its charts', async () => {
    await open('train');
    await page.reload();
    await page.getByRole('button', { name: new RegExp(`^${RUN}`) }).click();
    await page.getByRole('heading', { name: 'Charts' }).waitFor();
    await page.getByRole('figure', { name: 'Cross entropy' }).locator('canvas').waitFor();
    await tryFieldsOf('train');
    // A wrong step leaves the charts as they are.
    await page.getByRole('figure', { name: 'Cross entropy' }).locator('canvas').waitFor();
    expect(tried.faults).toEqual([]);
  });

  it('of Evaluate, its settings and a result', async () => {
    await open('evaluate');
    await page.getByRole('radio', { name: /^A model file/ }).check();
    await chooseModel();
    await chooseFolder('Folder of aligned faces for the pairs');
    await page
      .getByRole('button', { name: /^Show the result/ })
      .first()
      .click();
    await page.getByRole('heading', { name: 'Result' }).waitFor();
    await expect.poll(() => button('Evaluate').isEnabled()).toBe(true);
    await tryFieldsOf('evaluate');
    expect(tried.faults).toEqual([]);
  });

  it('of Use', { timeout: JOB_LIMIT_MS }, async () => {
    await open('use/compare');
    await tryFieldsOf('use/compare');
    await page.getByRole('tab', { name: 'Identify' }).click();
    await page.getByLabel('Where the model is').selectOption('a model file');
    await chooseModel();
    await page.getByRole('checkbox', { name: 'This folder contains aligned faces' }).check();
    await chooseFolder('People to enrol');
    await button('Enrol people').click();
    await page.getByRole('heading', { name: '4 people enrolled' }).waitFor({ timeout: JOB_LIMIT_MS });
    await page.getByLabel('Accept a stranger by mistake: at most').selectOption('set my own threshold');
    await tryFieldsOf('use/identify');
    expect(tried.faults).toEqual([]);
  });

  it('of the other pages: there is none', async () => {
    for (const place of PAGES_WITHOUT_NUMBERS) {
      await open(place);
      await tryFieldsOf(place);
    }
    expect(tried.faults).toEqual([]);
    // There are still fields, and every section named above exists.
    expect([...tried.sections].sort()).toEqual(Object.keys(STOPPED_BY_SECTION).sort());
    expect(tried.fieldCount).toBeGreaterThan(40);
    expect(browser.complaints).toEqual([]);
  });
});

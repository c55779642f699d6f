/** If the script of a worker is missing, the job ends with a message. Once it is there, the page works again. */
import type { ServerResponse } from 'node:http';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PageBrowser } from './helpers/page_browser.ts';
import { makeSampleDataset } from './helpers/sample_dataset.ts';

const SAMPLE = { seed: 1, people: 2, photosPerPerson: 1 };
const DECODE_WORKER = /\/decode\.worker-[\w-]+\.js$/;

let browser: PageBrowser;
let page: Page;
/** The server's answer to a request for the worker's script; undefined: the script. */
let answer: ((response: ServerResponse) => unknown) | undefined;

beforeAll(async () => {
  browser = await PageBrowser.open({
    // With a prelude, scripts do not come from the offline copy.
    prelude: () => undefined,
    intercept(path, response) {
      if (!answer || !DECODE_WORKER.test(path)) return false;
      answer(response);
      return true;
    },
  });
  const input = await makeSampleDataset(browser.context, browser.address, SAMPLE);
  await browser.context.addInitScript((path) => {
    window.showDirectoryPicker = async () => {
      let folder = await navigator.storage.getDirectory();
      for (const part of path.split('/')) folder = await folder.getDirectoryHandle(part);
      return folder;
    };
  }, input);
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
});

afterAll(() => browser?.close());

for (const [title, status, type] of [
  ['a 404', 404, 'text/plain'],
  ['the page of a host that answers everything', 200, 'text/html'],
] as const)
  it(`names the part that could not be loaded: ${title}`, async () => {
    answer = (response) => response.writeHead(status, { 'Content-Type': type }).end('<!doctype html>');
    await page.goto(browser.address);
    await page.getByRole('button', { name: 'Choose a folder' }).click();
    await page.getByRole('button', { name: 'Align the faces' }).click();
    await page.getByText('The worker that reads photos stopped working').waitFor();
    expect(await page.getByText('Loading the face detector').count()).toBe(0);
  });

it('aligns when the part can be loaded again', async () => {
  answer = undefined;
  await page.goto(browser.address);
  await page.getByRole('button', { name: 'Choose a folder' }).click();
  await page.getByRole('button', { name: 'Align the faces' }).click();
  await page.getByRole('heading', { name: /^Done: 2 aligned faces/ }).waitFor();
});

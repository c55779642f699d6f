/** A grid of 100,000 cells: only visible cells exist, the keyboard reaches all, and scrolling is fast. */
import { createRawSnippet, flushSync, mount, unmount } from 'svelte';
import { afterAll, beforeAll, expect, it } from 'vitest';
import VirtualGrid from '../../../src/ui/VirtualGrid.svelte';

const COUNT = 100_000;
let grid: Record<string, unknown>;
let host: HTMLElement;
let viewport: HTMLElement;
let seen: [number, number] = [0, 0];

const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));

beforeAll(async () => {
  host = document.createElement('div');
  host.style.width = '800px';
  document.body.append(host);
  const style = document.createElement('style');
  style.textContent = '* { box-sizing: border-box } ul { margin: 0; padding: 0; list-style: none }';
  document.head.append(style);
  grid = mount(VirtualGrid, {
    target: host,
    props: {
      count: COUNT,
      label: 'Cells',
      cellWidth: 80,
      cell: createRawSnippet<[number, boolean]>((index, isInTabOrder) => ({
        render: () => `<button tabindex="${isInTabOrder() ? 0 : -1}">${index()}</button>`,
      })),
      onvisible: (first: number, end: number) => {
        seen = [first, end];
      },
    },
  });
  await frame();
  await frame();
  viewport = host.firstElementChild as HTMLElement;
});

afterAll(async () => {
  await unmount(grid);
  host.remove();
});

const labels = (): string[] => [...host.querySelectorAll('button')].map((button) => button.textContent);

it('holds only what is in sight', () => {
  expect(host.querySelectorAll('li').length).toBeLessThan(200);
  expect(labels()[0]).toBe('0');
  expect(seen[0]).toBe(0);
  expect(host.querySelector('li')!.getAttribute('aria-setsize')).toBe(String(COUNT));
});

it('shows the cells of where it is scrolled to', async () => {
  viewport.scrollTop = viewport.scrollHeight;
  await frame();
  flushSync();
  expect(labels().at(-1)).toBe(String(COUNT - 1));
  const last = [...host.querySelectorAll('button')].at(-1)!.getBoundingClientRect();
  const bounds = viewport.getBoundingClientRect();
  expect(last.bottom).toBeLessThanOrEqual(bounds.bottom + 1);
  expect(last.top).toBeGreaterThan(bounds.top);
});

it('takes the keyboard to any cell', async () => {
  host.querySelector<HTMLElement>('button[tabindex="0"]')!.focus();
  const press = async (key: string): Promise<string | null | undefined> => {
    document.activeElement!.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await frame();
    await frame();
    return document.activeElement?.textContent;
  };
  expect(await press('Home')).toBe('0');
  expect(await press('ArrowRight')).toBe('1');
  expect(await press('End')).toBe(String(COUNT - 1));
  expect(await press('ArrowLeft')).toBe(String(COUNT - 2));
});

it('scrolls through all of it without long tasks', async () => {
  const times: number[] = [];
  for (let step = 0; step < 60; step++) {
    const startedAt = performance.now();
    viewport.scrollTop = (step * viewport.scrollHeight) / 60;
    viewport.dispatchEvent(new Event('scroll'));
    flushSync();
    viewport.getBoundingClientRect();
    times.push(performance.now() - startedAt);
    await frame();
  }
  times.sort((a, b) => a - b);
  console.log(
    `a jump in ${COUNT} cells: median ${times[30]!.toFixed(1)} ms, worst ${times.at(-1)!.toFixed(1)} ms`,
  );
  expect(times[30]).toBeLessThan(50);
});

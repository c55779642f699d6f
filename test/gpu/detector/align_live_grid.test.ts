/** The live grid during an alignment: 100,000 faces, and new ones several times per second, while it is scrolled. */
import { createRawSnippet, mount, unmount } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import VirtualGrid from '../../../src/ui/VirtualGrid.svelte';

const FACES = 100_000;
const FRAMES = 90;
const ADDED_A_FRAME = 5;

let grid: Record<string, unknown>;
let host: HTMLElement;
const faces = new SvelteMap([['count', FACES]]);
const count = (): number => faces.get('count')!;

beforeAll(() => {
  host = document.createElement('div');
  host.style.width = '800px';
  document.body.append(host);
  grid = mount(VirtualGrid, {
    target: host,
    props: {
      get count() {
        return count();
      },
      label: 'Faces',
      cellWidth: 80,
      cell: createRawSnippet<[number, boolean]>((index) => ({
        render: () => `<button><canvas width="112" height="112"></canvas>${index()}</button>`,
      })),
      onvisible: () => undefined,
    },
  });
});

afterAll(async () => {
  await unmount(grid);
  host.remove();
});

it('keeps up with the screen', async () => {
  const viewport = host.firstElementChild as HTMLElement;
  const scriptMs: number[] = [];
  const frameMs: number[] = [];
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < FRAMES; frame++) {
    const startedAt = performance.now();
    faces.set('count', count() + ADDED_A_FRAME);
    viewport.scrollTop += 60;
    viewport.dispatchEvent(new Event('scroll'));
    viewport.getBoundingClientRect();
    scriptMs.push(performance.now() - startedAt);
    const now = await new Promise<number>(requestAnimationFrame);
    frameMs.push(now - last);
    last = now;
  }
  const at = (values: number[], share: number): number =>
    values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
  console.log(
    `${FACES} faces and ${ADDED_A_FRAME} more a frame: frames median ${at(frameMs, 0.5).toFixed(1)} ms, 95 % ${at(frameMs, 0.95).toFixed(1)} ms; script 95 % ${at(scriptMs, 0.95).toFixed(1)} ms`,
  );
  expect(count()).toBe(FACES + FRAMES * ADDED_A_FRAME);
  expect(host.querySelectorAll('li').length).toBeLessThan(200);
  expect(host.querySelector('li')!.getAttribute('aria-setsize')).toBe(String(count()));
  expect(at(frameMs, 0.5)).toBeLessThan(50);
});

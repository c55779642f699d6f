/** Controls that disappear or are disabled while they have the keyboard focus. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepFocus } from '../../../src/app/keep_focus.ts';

let root: HTMLElement;
let kept: ReturnType<typeof keepFocus>;

beforeEach(() => {
  root = document.createElement('main');
  root.tabIndex = -1;
  root.innerHTML = `
    <section id="run"><h2>Aligning</h2><div class="row"><button>Pause</button><button>Stop</button></div></section>
    <section id="other"><button>Other</button></section>`;
  document.body.append(root);
  kept = keepFocus(root);
});

afterEach(() => {
  kept.destroy();
  root.remove();
});

const button = (name: string): HTMLButtonElement =>
  [...root.querySelectorAll('button')].find(({ textContent }) => textContent === name)!;
/** Waits until observers have been called. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const focused = (): string => document.activeElement!.id || document.activeElement!.textContent!;

function replace(name: string, by: string): void {
  const resumed = document.createElement('button');
  resumed.textContent = by;
  button(name).replaceWith(resumed);
}

it('goes to the button that took its place', async () => {
  button('Pause').focus();
  replace('Pause', 'Resume');
  await settle();
  expect(focused()).toBe('Resume');
  replace('Resume', 'Pause');
  await settle();
  expect(focused()).toBe('Pause');
});

it('goes to the part that took the place of its own, or to the one it was in', async () => {
  button('Stop').focus();
  const done = document.createElement('section');
  done.id = 'done';
  root.querySelector('#run')!.replaceWith(done);
  await settle();
  expect(focused()).toBe('done');
  button('Other').focus();
  button('Other').remove();
  await settle();
  expect(focused()).toBe('other');
});

it('goes to the page where nothing is left of the part', async () => {
  button('Other').focus();
  root.querySelector('#other')!.remove();
  await settle();
  expect(document.activeElement).toBe(root);
});

it('comes back to a control that rested', async () => {
  button('Stop').focus();
  button('Stop').disabled = true;
  await settle();
  // The browser itself does this a moment later.
  button('Stop').blur();
  expect(document.activeElement).toBe(document.body);
  button('Stop').disabled = false;
  await settle();
  expect(focused()).toBe('Stop');
});

it('does not bring anyone back who went elsewhere', async () => {
  button('Stop').focus();
  document.body.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
  button('Stop').blur();
  button('Stop').remove();
  await settle();
  expect(document.activeElement).toBe(document.body);
});

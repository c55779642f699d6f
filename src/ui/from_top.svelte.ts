/**
 * The reader goes along when a page shows something else: to the top of it, with the keyboard's focus. Not when it first
 * opens. Called while a component is made.
 * @param shown tells by its value what is shown
 */
export function readFromTop(shown: () => string | boolean): void {
  let before: string | boolean | undefined;
  $effect(() => {
    const now = shown();
    if (before !== undefined && before !== now) {
      document.querySelector('main')?.focus({ preventScroll: true });
      window.scrollTo({ top: 0 });
    }
    before = now;
  });
}

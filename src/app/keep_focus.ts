/**
 * A control often goes away when it is pressed, or rests for a while: Pause becomes Resume. The browser then forgets where
 * the reader was, and a screen reader begins at the top of the page. Here the focus stays: with the button that took the
 * control's place, with the control itself when it can be used again, or with the part of the page that it was in.
 */

interface Place {
  readonly element: Element;
  readonly parent: Element;
  /** Among the parent's children. */
  readonly index: number;
}

/** For an element whose content comes and goes; undone with what it returns. */
export function keepFocus(root: HTMLElement): { destroy: () => void } {
  let last: HTMLElement | undefined;
  /** From the control that has the focus up to the root. */
  let places: readonly Place[] = [];

  function remember(element: HTMLElement): void {
    last = element === root ? undefined : element;
    const found: Place[] = [];
    for (let at: Element = element; at !== root && at.parentElement; at = at.parentElement)
      found.push({
        element: at,
        parent: at.parentElement,
        index: [...at.parentElement.children].indexOf(at),
      });
    places = found;
  }

  function restore(): void {
    if (!last || document.activeElement !== document.body) return;
    if (last.isConnected && last.checkVisibility()) {
      if (isResting(last)) return;
      last.focus({ preventScroll: true });
      return;
    }
    const place = places.find(({ parent }) => parent.isConnected && parent.checkVisibility());
    last = undefined;
    if (!place) return;
    const successor = place.parent.children[place.index];
    if (successor instanceof HTMLButtonElement && !successor.disabled)
      successor.focus({ preventScroll: true });
    else focusPart(successor?.matches('section') ? successor : (place.parent.closest('section') ?? root));
  }

  const onFocus = (event: FocusEvent): void => remember(event.target as HTMLElement);
  /** Whoever goes elsewhere does not want to be brought back. */
  const onPress = (event: Event): void => {
    if (!last?.contains(event.target as Node)) last = undefined;
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Tab') last = undefined;
  };
  const observer = new MutationObserver(restore);
  observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ['disabled'] });
  root.addEventListener('focusin', onFocus);
  document.addEventListener('pointerdown', onPress);
  document.addEventListener('keydown', onKey);
  return {
    destroy() {
      observer.disconnect();
      root.removeEventListener('focusin', onFocus);
      document.removeEventListener('pointerdown', onPress);
      document.removeEventListener('keydown', onKey);
    },
  };
}

function isResting(element: HTMLElement): boolean {
  return element.matches(':disabled');
}

function focusPart(part: Element): void {
  if (!(part instanceof HTMLElement)) return;
  if (!part.hasAttribute('tabindex')) part.tabIndex = -1;
  part.focus({ preventScroll: true });
}

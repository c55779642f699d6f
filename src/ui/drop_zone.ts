/**
 * Places where files can be dropped. A drop that misses them by a finger's width would make the browser open the photo
 * and leave the page; so the whole window takes it, for the page's one place, or says where to drop it.
 */
import type { Action } from 'svelte/action';

export interface DropZone {
  readonly isDisabled: boolean;
  /** What is held above it would be taken. */
  readonly onover: (isOver: boolean) => void;
  /** Is called in the drop event itself: what was dropped is gone afterwards. */
  readonly ondrop: (transfer: DataTransfer) => void;
}

/** Those on the page, with their elements. */
const zones = new Map<HTMLElement, DropZone>();

/** Makes the element take what is dropped onto it. */
export const dropZone: Action<HTMLElement, DropZone> = (element, zone) => {
  zones.set(element, zone);
  return {
    update(changed) {
      if (changed.isDisabled && !zones.get(element)?.isDisabled) changed.onover(false);
      zones.set(element, changed);
    },
    destroy() {
      zones.delete(element);
    },
  };
};

/**
 * Takes every drop of files in the window.
 * @param onmissed told whether a drop was taken by nobody, because there is more than one place for it
 * @returns undoes it
 */
export function catchDrops(onmissed: (isMissed: boolean) => void): () => void {
  const over = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    const takers = takersOf(event.target);
    // With 'none' the pointer says so, and nothing happens on the drop.
    event.dataTransfer.dropEffect = takers.length > 0 ? 'copy' : 'none';
    show(takers);
  };
  const leave = (event: DragEvent): void => {
    // Out of the window, and not from one element into another.
    if (!event.relatedTarget) show([]);
  };
  const drop = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    const takers = takersOf(event.target);
    show([]);
    onmissed(takers.length > 1);
    if (takers.length === 1) takers[0]!.ondrop(event.dataTransfer);
  };
  window.addEventListener('dragover', over);
  window.addEventListener('dragleave', leave);
  window.addEventListener('drop', drop);
  return () => {
    window.removeEventListener('dragover', over);
    window.removeEventListener('dragleave', leave);
    window.removeEventListener('drop', drop);
  };
}

/** The place that is dropped onto, or else every one that could be meant. */
function takersOf(target: EventTarget | null): DropZone[] {
  const usable = [...zones].filter(([, { isDisabled }]) => !isDisabled);
  const hit = [...zones].find(([element]) => target instanceof Node && element.contains(target));
  if (hit) return hit[1].isDisabled ? [] : [hit[1]];
  // What a closed part of the page hides is not meant.
  return usable.filter(([element]) => element.offsetParent !== null).map(([, zone]) => zone);
}

function show(takers: readonly DropZone[]): void {
  for (const zone of zones.values()) zone.onover(takers.includes(zone));
}

/**
 * Drawing in pieces: several charts that change at the same time would hold the page up together, so that each frame
 * draws as many as fit into its time, and the others are drawn in the next ones.
 */

/** Of a frame's 16 ms; the rest is the browser's. */
const BUDGET_MS = 8;

/** What is to be drawn, by what it is drawn on; the newest of each. */
const waiting = new Map<object, () => void>();
let isScheduled = false;

/** @param owner of the drawing: an earlier one of it that has not begun is left out */
export function drawSoon(owner: object, draw: () => void): void {
  waiting.set(owner, draw);
  schedule();
}

/** For an owner that goes. */
export function drawNoMore(owner: object): void {
  waiting.delete(owner);
}

function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  // A page that is not visible has no frames: it draws when it is seen again.
  requestAnimationFrame(() => {
    isScheduled = false;
    const startedAt = performance.now();
    for (const [owner, draw] of waiting) {
      waiting.delete(owner);
      draw();
      if (performance.now() - startedAt > BUDGET_MS) break;
    }
    if (waiting.size > 0) schedule();
  });
}

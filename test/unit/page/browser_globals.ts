/** The browser objects that the page's state classes touch, for tests in Node. */
import { beforeAll, vi } from 'vitest';

/** Call it once at the top of a test file. */
export function stubBrowserGlobals(): void {
  beforeAll(() => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('window', new EventTarget());
    vi.stubGlobal('document', new EventTarget());
  });
}

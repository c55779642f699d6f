/**
 * Which page is shown, and which part of it: the address's fragment (`#train`, `#use/identify`), so that links, back and
 * reload work.
 */
export const STEPS = ['photos', 'train', 'evaluate', 'models', 'use'] as const;
export type StepName = (typeof STEPS)[number];
export type PageName = StepName | 'privacy';

export const PAGE_TITLES: Readonly<Record<PageName, string>> = {
  photos: 'Photos',
  train: 'Train',
  evaluate: 'Evaluate',
  models: 'Models',
  use: 'Use',
  privacy: 'Your photos stay here',
};

interface Place {
  readonly page: PageName;
  /** Empty: the page's first. */
  readonly part: string;
}

function placeOfAddress(): Place {
  const [page = '', part = ''] = location.hash.slice(1).split('/');
  return Object.hasOwn(PAGE_TITLES, page) ? { page: page as PageName, part } : { page: 'photos', part: '' };
}

export class Navigation {
  #place = $state.raw<Place>(placeOfAddress());
  /** Derived each, so that another part of the same page is no other page. */
  readonly page = $derived(this.#place.page);
  readonly part = $derived(this.#place.part);

  constructor() {
    window.addEventListener('hashchange', () => {
      this.#place = placeOfAddress();
    });
  }

  go(page: PageName, part = ''): void {
    location.hash = part ? `${page}/${part}` : page;
  }
}

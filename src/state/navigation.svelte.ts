/** Which page is shown: the address's fragment, so that links, back and reload work. */
export const STEPS = ['photos', 'train', 'evaluate', 'models'] as const;
export type StepName = (typeof STEPS)[number];
export type PageName = StepName | 'privacy';

export const PAGE_TITLES: Readonly<Record<PageName, string>> = {
  photos: 'Photos',
  train: 'Train',
  evaluate: 'Evaluate',
  models: 'Models',
  privacy: 'Your photos stay here',
};

function pageOfAddress(): PageName {
  const name = location.hash.slice(1);
  return name in PAGE_TITLES ? (name as PageName) : 'photos';
}

export class Navigation {
  page = $state<PageName>(pageOfAddress());

  constructor() {
    window.addEventListener('hashchange', () => {
      this.page = pageOfAddress();
    });
  }

  go(page: PageName): void {
    location.hash = page;
  }
}

// The page in each of its states, one after the other, as a person would bring it there: for pictures and for checks.
// Only drawn faces are ever seen.
const JOB_LIMIT_MS = 900_000;
const STEP_PAGES = ['train', 'evaluate', 'models', 'use'];
const USE_PARTS = ['compare', 'identify', 'look'];

/**
 * @param {import('playwright-core').Page} page
 * @param {{ address: string, query?: string, withJobs?: boolean }} options
 *   address: of the page; query: e.g. "?people=4&photos=4", a smaller sample; withJobs: false for what is there at once
 * @param {(name: string, options: { isBrief?: boolean, isDialog?: boolean }) => Promise<void>} visit isBrief: the state
 *   does not last, one look must do; isDialog: only what is in the window matters
 */
export async function walkStates(page, { address, query = '', withJobs = true }, visit) {
  page.setDefaultTimeout(JOB_LIMIT_MS);
  page.on('dialog', (dialog) => void dialog.accept());
  const open = async (place) => {
    await page.goto(`${address}${query}#${place}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    // Parts that load by themselves.
    await page.getByRole('progressbar', { name: /^Loading/ }).waitFor({ state: 'detached' });
  };
  const sampleRun = page.getByRole('region', { name: 'Sample run' });

  await page.goto(address + query);
  await page.getByRole('button', { name: 'Try it with sample faces' }).waitFor();
  await visit('photos-empty', {});
  for (const name of STEP_PAGES) {
    await open(name);
    await visit(`${name}-empty`, {});
  }
  for (const part of USE_PARTS.slice(1)) {
    await open(`use/${part}`);
    await visit(`use-${part}-empty`, {});
  }
  await open('privacy');
  await visit('privacy', {});
  await open('train');
  await page.getByText('All settings').click();
  await page.getByLabel('Learning rate schedule').fill('0: 0.05\nthen: less\n');
  await visit('train-bad-setting', { isBrief: true });
  if (!withJobs) return;

  await open('photos');
  await page.reload();
  await page.getByRole('button', { name: 'Try it with sample faces' }).click();
  await page.getByRole('progressbar', { name: 'Drawing sample faces' }).waitFor();
  await visit('photos-drawing', { isBrief: true });
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  // A small sample is aligned in no time: then it was the training that paused.
  await visit(`${new URL(page.url()).hash.slice(1)}-paused`, {});
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('log').getByText('Checkpoint saved').first().waitFor();
  await page.getByRole('log').getByText('Epoch: [2]').first().waitFor();
  await visit('train-running', {});
  await sampleRun.getByText('Done').waitFor();
  await visit('models-exported', {});
  await page.getByRole('button', { name: /^Close the sample run/ }).click();
  for (const name of ['photos', 'train', 'evaluate']) {
    await open(name);
    await visit(`${name}-done`, {});
  }
  for (const part of USE_PARTS) {
    await open(`use/${part}`);
    await visit(`use-${part}`, {});
  }

  await open('train');
  await page.getByRole('button', { name: 'New run' }).click();
  await visit('train-settings', {});
  await page.getByText('All settings').click();
  await page.getByLabel('Steps in an epoch').fill('2');
  await page.getByRole('button', { name: 'Start training' }).click();
  await page.getByRole('log').getByText('Checkpoint saved').first().waitFor();
  await page.reload();
  await page.getByRole('region', { name: 'Interrupted run' }).waitFor();
  await visit('train-interrupted', {});
  await open('models');
  await page.getByRole('button', { name: 'Delete everything' }).click();
  await visit('models-delete', { isDialog: true });
}

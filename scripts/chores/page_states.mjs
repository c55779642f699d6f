// Brings the page into each of its states, one after the other, as a person would, for screenshots and checks. It uses
// only drawn faces.
const JOB_LIMIT_MS = 900_000;
const STEP_PAGES = ['train', 'evaluate', 'models', 'use'];
const USE_PARTS = ['identify', 'inspect'];

/**
 * @param {import('playwright-core').Page} page
 * @param {{ address: string, query?: string, withJobs?: boolean }} options address: the page's address; query: e.g.
 *   "?people=4&photos=4" for a smaller sample; withJobs: false omits states that need a job
 * @param {(name: string, options: { isBrief?: boolean, isDialog?: boolean }) => Promise<void>} visit isBrief: the
 *   state does not last, so there is time for one picture only; isDialog: only the visible part matters
 */
export async function walkStates(page, { address, query = '', withJobs = true }, visit) {
  page.setDefaultTimeout(JOB_LIMIT_MS);
  page.on('dialog', (dialog) => void dialog.accept());
  const open = async (place) => {
    await page.goto(`${address}${query}#${place}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    // Some parts of the page are loaded separately.
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
  for (const part of USE_PARTS) {
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
  // A small sample is aligned very quickly. Then the training is what was paused.
  await visit(`${new URL(page.url()).hash.slice(1)}-paused`, {});
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('log').getByText('Checkpoint saved').first().waitFor();
  await page.getByRole('log').getByText('Epoch: [2]').first().waitFor();
  await visit('train-running', {});
  await sampleRun.getByText('Done').waitFor();
  await visit('models-exported', {});
  await page.getByRole('button', { name: /^Close this message about the sample run/ }).click();
  for (const name of ['photos', 'train', 'evaluate']) {
    await open(name);
    await visit(`${name}-done`, {});
  }
  const photos = await readSamplePhotos(page);
  await open('use/compare');
  await compareFaces(page, photos);
  await visit('use-compare', {});
  await open('use/identify');
  await identifyPeople(page, photos);
  await visit('use-identify', {});
  await open('use/inspect');
  await lookAtFaces(page);
  await visit('use-inspect', {});

  await open('train');
  await page.getByRole('button', { name: 'New run' }).click();
  await visit('train-settings', {});
  await page.getByText('All settings').click();
  await page.getByLabel('Steps per epoch').fill('2');
  await page.getByRole('button', { name: 'Start training' }).click();
  await page.getByRole('log').getByText('Checkpoint saved').first().waitFor();
  await page.reload();
  await page.getByRole('region', { name: 'Interrupted run' }).waitFor();
  await visit('train-interrupted', {});
  await open('models');
  await page.getByRole('button', { name: 'Delete everything' }).click();
  await visit('models-delete', { isDialog: true });
}

/** Compares some photos of a few people with the trained model. */
async function compareFaces(page, photos) {
  const nameOf = (photo) => photo.name.replace(/_\d+\.png$/, '');
  const people = [...new Set(photos.map(nameOf))].slice(0, 3);
  const few = people.flatMap((person) => photos.filter((photo) => nameOf(photo) === person).slice(0, 2));
  await page.getByLabel('Photos to compare: files').setInputFiles(few);
  await page.getByRole('region', { name: 'Distances between the faces' }).waitFor();
}

/** Enrols all people, identifies a few photos, and runs the test. */
async function identifyPeople(page, photos) {
  await page
    .getByRole('button', { name: /^Sample faces/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Enrol people' }).click();
  await page.getByRole('heading', { name: /people enrolled$/ }).waitFor();
  await page.getByLabel('Photos to ask about: files').setInputFiles([photos[0], photos.at(-1)]);
  await page.getByRole('list', { name: 'Identified faces' }).waitFor();
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await page.getByRole('region', { name: 'Confusion matrix' }).waitFor();
}

async function lookAtFaces(page) {
  // The Train page may have chosen them already.
  const choice = page.getByRole('button', { name: /^Sample faces .* aligned/ });
  const look = page.getByRole('button', { name: 'Inspect the photos' });
  await look.waitFor();
  if (await choice.count()) await choice.click();
  await look.click();
  await page.getByRole('application', { name: /^Map of/ }).waitFor();
  await page.getByRole('heading', { name: 'The same picture twice?' }).waitFor();
  await page.getByRole('progressbar').waitFor({ state: 'detached' });
}

/** Reads the drawn photos from the private file system, as files to choose. */
async function readSamplePhotos(page) {
  const files = await page.evaluate(async () => {
    const found = [];
    const folders = [await (await navigator.storage.getDirectory()).getDirectoryHandle('sample-faces')];
    for (let folder = folders.pop(); folder; folder = folders.pop())
      for await (const entry of folder.values())
        if (entry.kind === 'directory') folders.push(entry);
        else {
          const bytes = new Uint8Array(await (await entry.getFile()).arrayBuffer());
          found.push([entry.name, btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))]);
        }
    return found;
  });
  return files
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, base64]) => ({ name, mimeType: 'image/png', buffer: Buffer.from(base64, 'base64') }));
}

/** Several processes that align into one folder at once make and list each face once between them. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../cli/system/paths.ts';
import { ensureBuild } from '../../scripts/setup/ensure_build.mjs';
import { filesBelow } from './helpers/endings.ts';
import { facenet } from './helpers/terminal.ts';

const PEOPLE = 2;
const PHOTOS = 6;
let home: string;

beforeAll(async () => {
  await ensureBuild({ quiet: true });
  home = mkdtempSync(join(tmpdir(), 'facenet-test-'));
  for (let person = 0; person < PEOPLE; person++) {
    mkdirSync(join(home, `photos/P${person}`), { recursive: true });
    for (let photo = 0; photo < PHOTOS; photo++)
      copyFileSync(
        join(projectRoot, 'test/fixtures/astronaut.png'),
        join(home, `photos/P${person}/${photo}.png`),
      );
  }
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

it('three processes align and list each photo once', async () => {
  const args = ['align', 'photos', 'out', '--image_size', '96', '--random_order', '--json'];
  const results = await Promise.all([1, 2, 3].map(() => facenet(args, { home })));
  let made = 0;
  for (const { code, stderr, json } of results) {
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(json).toMatchObject({ total_images: PEOPLE * PHOTOS, successfully_aligned: PEOPLE * PHOTOS });
    const { skipped_existing, aligned_by_others } = json as Record<string, number>;
    made += PEOPLE * PHOTOS - skipped_existing! - aligned_by_others!;
  }
  expect(made).toBe(PEOPLE * PHOTOS);
  const files = filesBelow(join(home, 'out'));
  const faces = files.filter((path) => path.endsWith('.png'));
  expect(faces).toHaveLength(PEOPLE * PHOTOS);
  const listed = files
    .filter((path) => path.startsWith('bounding_boxes'))
    .flatMap((path) =>
      readFileSync(join(home, 'out', path), 'utf8')
        .trimEnd()
        .split('\n'),
    )
    .map((line) => line.replace(/( \d+){4}$/, ''));
  expect(listed.sort()).toEqual(faces.sort());
});

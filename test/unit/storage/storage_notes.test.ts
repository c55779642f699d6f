/** Notes on a run are kept when the run's worker, which does not know them, writes its record again. */
import 'fake-indexeddb/auto';
import { expect, it } from 'vitest';
import type { RunRecord } from '../../../workers/protocol/train/runs.ts';
import { getRun, putRun, setNotes } from '../../../workers/storage/runs.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';

const run: RunRecord = {
  id: '20260101-000000',
  createdAt: 0,
  status: 'running',
  options: presetOptions('quick-try'),
  datasetName: 'people',
  classNames: ['a', 'b'],
  imageCount: 8,
  data: [],
  step: 0,
  epoch: 0,
  device: 'test',
};

it('keeps the notes of a run in progress', async () => {
  await putRun(run);
  expect(await setNotes(run.id, 'smaller rate')).toBe(true);
  await putRun({ ...run, step: 5 });
  expect(await getRun(run.id)).toEqual({ ...run, step: 5, notes: 'smaller rate' });
  expect(await setNotes('no such run', 'x')).toBe(false);
});

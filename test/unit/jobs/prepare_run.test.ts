import { describe, expect, it } from 'vitest';
import { prepareNewRun, StoppedBeforeRunError } from '../../../workers/jobs/train/prepare_run.ts';
import { TrainControl } from '../../../workers/jobs/train/train_control.ts';
import type { TrainEvent, TrainRequest } from '../../../workers/protocol/train/train.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';

const file = new File([''], 'a.jpg');
const request: TrainRequest = {
  options: presetOptions('guide'),
  data: [
    {
      kind: 'files',
      name: 'people',
      files: Array.from({ length: 400 }, (_, index) => ({ path: `person ${index % 8}/${index}.jpg`, file })),
    },
  ],
  // Refused after the data have been read, because a run would need the browser's storage.
  lfw: { images: [], pairsText: '', lfw_nrof_folds: 10 },
};

describe('a run that is being prepared', () => {
  it('says what it has read of the dataset', async () => {
    const events: TrainEvent[] = [];
    await expect(
      prepareNewRun(request, (event) => events.push(event), new TrainControl()),
    ).rejects.not.toBeInstanceOf(StoppedBeforeRunError);
    expect(events.at(-1)).toEqual({ kind: 'reading', fileCount: 400, imageCount: 400, classCount: 8 });
  });

  it('can be stopped while the dataset is read, and is then no run', async () => {
    const control = new TrainControl();
    const preparing = prepareNewRun(request, () => undefined, control);
    void control.stop();
    await expect(preparing).rejects.toThrow(StoppedBeforeRunError);
  });
});

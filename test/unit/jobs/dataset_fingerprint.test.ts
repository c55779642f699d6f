/** A resumed run reports the changes in its dataset. */
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readClasses } from '../../../workers/files/classes.ts';
import { FolderMissingError } from '../../../workers/protocol/data/file_errors.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import {
  datasetFingerprint,
  describeDatasetChange,
} from '../../../workers/jobs/train/dataset_fingerprint.ts';
import { prepareNewRun, prepareResumedRun } from '../../../workers/jobs/train/prepare_run.ts';
import { TrainControl } from '../../../workers/jobs/train/train_control.ts';
import type { DatasetFingerprint } from '../../../workers/protocol/train/runs.ts';
import type { TrainRequest } from '../../../workers/protocol/train/train.ts';
import { deleteDatabase } from '../../../workers/storage/database.ts';
import { addRun } from '../../../workers/storage/runs.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';

/** Path → content. */
type Files = Record<string, string>;

const START: Files = Object.fromEntries(
  ['Ann', 'Ben', 'Cy'].flatMap((name) =>
    Array.from({ length: 10 }, (_, number) => [`${name}/${number}.jpg`, 'photo']),
  ),
);

function without(files: Files, ...paths: string[]): Files {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !paths.includes(path)));
}

async function fingerprint(files: Files, mostPhotos?: number): Promise<DatasetFingerprint> {
  const { classes } = await readClasses([new MemoryDirectory('faces', files)]);
  return (await datasetFingerprint(classes, mostPhotos === undefined ? {} : { mostPhotos }))!;
}

describe('a fingerprint of a dataset', () => {
  const change = async (files: Files, mostPhotos?: number): Promise<string | undefined> =>
    describeDatasetChange(
      'faces',
      await fingerprint(START, mostPhotos),
      await fingerprint(files, mostPhotos),
    );

  it('names the photos that are missing, new or replaced', async () => {
    expect(await change(START)).toBeUndefined();
    expect(await change(without(START, 'Ben/3.jpg'))).toContain('1 photo is missing (Ben/3.jpg)');
    expect(await change({ ...START, 'Cy/new.jpg': '' })).toContain('1 photo is new (Cy/new.jpg)');
    expect(await change({ ...START, 'Ann/5.jpg': 'another photo' })).toContain(
      '1 photo was replaced (its size differs) (Ann/5.jpg)',
    );
    const many = await change(without(START, 'Ben/1.jpg', 'Ben/2.jpg', 'Ben/3.jpg', 'Ben/4.jpg'));
    expect(many).toContain('4 photos are missing (Ben/1.jpg, Ben/2.jpg, Ben/3.jpg, …)');
  });

  it('names the people of a large dataset whose photos are others', async () => {
    expect(await change(START, 5)).toBeUndefined();
    expect(await change(without(START, 'Ben/3.jpg'), 5)).toContain(
      '1 person has other photos (Ben: 1 fewer)',
    );
    expect(await change({ ...without(START, 'Ben/3.jpg'), 'Ben/x.jpg': 'photo' }, 5)).toContain(
      'Ben: other names',
    );
    expect(await change({ ...START, 'Ann/5.jpg': 'another photo' }, 5)).toContain(
      '1 person has replaced photos (their sizes differ) (Ann)',
    );
  });

  it('compares a dataset that has outgrown the list of its photos by the names of its people', async () => {
    const [before, now] = [await fingerprint(START), await fingerprint({ ...START, 'Cy/new.jpg': '' }, 5)];
    expect(describeDatasetChange('faces', before, now)).toContain('1 person has other photos (Cy: 1 more)');
    expect(describeDatasetChange('faces', before, await fingerprint(START, 5))).toBeUndefined();
  });

  it('is small, also of half a million photos', async () => {
    const directory = new MemoryDirectory('faces', {});
    directory.stats = (paths: readonly string[]) =>
      Promise.resolve(paths.map(() => ({ sizeBytes: 1, modifiedMs: 0 })));
    const classes = Array.from({ length: 10_000 }, (_, number) => ({
      name: `person ${number}`,
      images: Array.from({ length: 50 }, (_unused, photo) => ({
        path: `person ${number}/${photo}.png`,
        directory,
      })),
    }));
    const found = await datasetFingerprint(classes);
    expect(found).toMatchObject({ kind: 'classes', sizedPerClass: 5 });
    expect(JSON.stringify(found).length).toBeLessThan(1_500_000);
  });

  it('is not made if sizes are not available; a missing folder is reported', async () => {
    const directory = new MemoryDirectory('faces', START);
    const { classes } = await readClasses([directory]);
    directory.stats = () => Promise.reject(new Error('no sizes here'));
    expect(await datasetFingerprint(classes)).toBeUndefined();
    directory.stats = () => Promise.reject(new FolderMissingError('faces'));
    await expect(datasetFingerprint(classes)).rejects.toThrow(FolderMissingError);
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(datasetFingerprint(classes, { signal })).rejects.toThrow('stopped');
  });
});

describe('a resumed run', () => {
  beforeEach(() => vi.stubGlobal('navigator', {}));
  afterEach(async () => {
    await deleteDatabase();
    vi.unstubAllGlobals();
  });

  function requestOf(files: Files): TrainRequest {
    return {
      options: presetOptions('guide'),
      data: [
        {
          kind: 'files',
          name: 'faces',
          files: Object.entries(files).map(([path, content]) => ({ path, file: new File([content], path) })),
        },
      ],
    };
  }

  it('reports a replaced and a missing photo once, and nothing if its run has no fingerprint', async () => {
    const ignore = (): void => undefined;
    const { draft } = await prepareNewRun(requestOf(START), ignore, new TrainControl());
    await addRun({ ...draft, id: 'run' });
    await addRun({ ...draft, dataset: undefined, id: 'old run' });
    const resume = (files: Files, id = 'run') =>
      prepareResumedRun(requestOf(files), id, ignore, new TrainControl());

    expect((await resume(START)).datasetChange).toBeUndefined();
    const changed = without({ ...START, 'Ben/2.jpg': 'another photo' }, 'Cy/9.jpg');
    const { run, datasetChange } = await resume(changed);
    expect(datasetChange).toContain('The dataset "faces" has changed since the run stopped: ');
    expect(datasetChange).toContain('missing (Cy/9.jpg)');
    expect(datasetChange).toContain('(Ben/2.jpg)');
    // The next resume compares with the dataset of this resume.
    await addRun({ ...run, id: 'gone on' });
    expect((await resume(changed, 'gone on')).datasetChange).toBeUndefined();

    const old = await resume(changed, 'old run');
    expect(old.datasetChange).toBeUndefined();
    expect(old.run.dataset).toBeDefined();
  });
});

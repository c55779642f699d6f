/** Which stored set the faces of some folders belong to, with fake workers. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { JobGuard } from '../../../src/session/job_guard.svelte.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { SetForSource, StoredSet } from '../../../workers/protocol/data/stored_sets.ts';

const library = vi.hoisted(() => ({
  findSetFor: vi.fn(),
  rememberSource: vi.fn(async () => undefined),
  listStoredSets: vi.fn(async () => []),
  deleteStoredSet: vi.fn(),
}));
const align = vi.hoisted(() => ({ plan: vi.fn() }));

vi.mock('../../../src/session/workers.ts', () => {
  const worker = (api: object) => ({ call: async (use: (api: object) => unknown) => use(api) });
  return { libraryWorker: worker(library), alignWorker: worker(align), datasetWorker: worker({}) };
});
vi.mock('../../../src/session/features.ts', () => ({ features: {} }));

const { AlignedSets } = await import('../../../src/session/aligned_sets.svelte.ts');
const guard = { during: (_: string, __: boolean, work: () => unknown) => work() } as unknown as JobGuard;

const files = (name: string): DirectoryReference => ({ kind: 'files', name, files: [] });
const set: StoredSet = { path: 'aligned/photos aligned 182-44', kind: 'aligned', lastUsedAt: 1 };
const FREE = 'aligned/photos (2) aligned 182-44';
const taken: SetForSource = { kind: 'taken', sets: [set], freePath: FREE };
const counts = {
  unchanged: 0,
  withoutRecord: 0,
  changedPhotos: 0,
  otherSettings: 0,
  withoutPhoto: [] as object[],
};

describe('the set of some folders', () => {
  let sets: InstanceType<typeof AlignedSets>;
  beforeEach(() => {
    vi.clearAllMocks();
    sets = new AlignedSets(guard);
    library.findSetFor.mockResolvedValue(taken);
    align.plan.mockResolvedValue({ ...counts, changedPhotos: 2 });
  });
  const choose = (folders: DirectoryReference[], asks = true) =>
    sets.choose(folders, DEFAULT_ALIGN_OPTIONS, asks);

  it('is their own, or a new one, without a question', async () => {
    library.findSetFor.mockResolvedValue({ kind: 'own', path: set.path });
    expect(await choose([files('photos')])).toEqual({ path: set.path, isNew: false });
    library.findSetFor.mockResolvedValue({ kind: 'free', path: set.path });
    expect(await choose([files('photos')])).toEqual({ path: set.path, isNew: true });
    expect(sets.question).toBeUndefined();
  });

  it('is asked for where another folder has the name', async () => {
    const choosing = choose([files('photos')]);
    await vi.waitFor(() => expect(sets.question).toMatchObject({ sourceName: 'photos', freePath: FREE }));
    sets.answer(FREE);
    expect(await choosing).toEqual({ path: FREE, isNew: true });
    expect(library.rememberSource).toHaveBeenCalledWith(FREE, [files('photos')], ['photos']);
  });

  it('is the one that a person says', async () => {
    const choosing = choose([files('photos')]);
    await vi.waitFor(() => expect(sets.question).toBeDefined());
    sets.answer(set.path);
    expect(await choosing).toEqual({ path: set.path, isNew: false });
  });

  it('is none when the person closes the question', async () => {
    const choosing = choose([files('photos')]);
    await vi.waitFor(() => expect(sets.question).toBeDefined());
    sets.answer(undefined);
    expect(await choosing).toBeUndefined();
    expect(library.rememberSource).not.toHaveBeenCalled();
  });

  it('is known for as long as the page is open', async () => {
    const folder = files('photos');
    library.findSetFor.mockResolvedValueOnce({ kind: 'free', path: set.path });
    await choose([folder]);
    // The choice copies references when photos are left out.
    expect(await choose([{ ...folder }])).toEqual({ path: set.path, isNew: false });
    const choosing = choose([files('photos')]);
    await vi.waitFor(() => expect(sets.question).toBeDefined());
    sets.answer(undefined);
    await choosing;
  });

  it('is recognised by its photos where the folder cannot be', async () => {
    align.plan.mockResolvedValue({ ...counts, unchanged: 5, otherSettings: 1, changedPhotos: 1 });
    expect(await choose([files('photos')])).toEqual({ path: set.path, isNew: false });
    // Most of its photos are missing, so it belongs to another folder.
    align.plan.mockResolvedValue({ ...counts, unchanged: 1, withoutPhoto: [{ photo: 'a' }, { photo: 'b' }] });
    const choosing = choose([files('photos')]);
    await vi.waitFor(() => expect(sets.question).toBeDefined());
    sets.answer(undefined);
    await choosing;
  });

  it('is a new one where nobody is there to be asked', async () => {
    expect(await choose([files('photos')], false)).toEqual({ path: FREE, isNew: true });
    expect(sets.question).toBeUndefined();
  });
});

it('a set that is in use is named instead of deleted', async () => {
  const sets = new AlignedSets(guard);
  library.deleteStoredSet.mockRejectedValue(Object.assign(new Error('in use'), { name: 'SetInUseError' }));
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  await sets.delete(set);
  expect(sets.problem?.name).toBe('SetInUseError');
});

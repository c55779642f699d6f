/** Names of sets of aligned faces, and the folders that the page offers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { offeredFolders } from '../../../src/choose/offered_folders.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { RememberedFolder } from '../../../workers/protocol/models/library.ts';
import { freeName, isNamedFor, setName } from '../../../workers/storage/set_names.ts';

const TRAIN = { image_size: 182, margin: 44, detect_multiple_faces: false };
const ALL_FACES = { ...TRAIN, detect_multiple_faces: true };

describe('set names', () => {
  it('stay readable, and are as in earlier versions where there is one set', () => {
    expect(setName('photos', TRAIN, 1)).toBe('photos aligned 182-44');
    expect(setName('photos', ALL_FACES, 2)).toBe('photos (2) aligned 182-44-all');
    expect(setName('a/b:c', TRAIN, 1)).toBe('a-b-c aligned 182-44');
  });

  it('are distinguished by source and format', () => {
    const other = { ...TRAIN, image_size: 160 };
    expect(isNamedFor('photos aligned 182-44', 'photos', TRAIN)).toBe(true);
    expect(isNamedFor('photos (12) aligned 182-44', 'photos', TRAIN)).toBe(true);
    for (const name of [
      'photos aligned 182-44-all',
      'photos 2019 aligned 182-44',
      'my photos aligned 182-44',
      'photos',
    ])
      expect(isNamedFor(name, 'photos', TRAIN)).toBe(false);
    expect(isNamedFor('photos aligned 182-44', 'photos', other)).toBe(false);
  });

  it('are free when they are new, whatever the folder is called', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(4), (source, count) => {
        const names: string[] = [];
        for (let i = 0; i < count; i++) names.push(freeName(names, source, TRAIN));
        expect(new Set(names).size).toBe(count);
        for (const name of names) {
          expect(isNamedFor(name, source, TRAIN)).toBe(true);
          expect(name).not.toMatch(/[/\\]/);
        }
      }),
    );
  });
});

describe('offeredFolders', () => {
  /** A folder on disk. The same entry has the same id, whatever its name is. */
  const handle = (name: string, id: number): DirectoryReference =>
    ({
      kind: 'handle',
      handle: { name, id, isSameEntry: async (other: { id: number }) => other.id === id },
    }) as unknown as DirectoryReference;
  const used = (reference: DirectoryReference, lastUsedAt: number): RememberedFolder => ({
    id: `${lastUsedAt}`,
    reference,
    role: 'aligned',
    lastUsedAt,
  });

  it('offers two folders of one name, each folder once, and none that is chosen', async () => {
    const remembered = [
      used(handle('photos', 1), 50),
      used(handle('photos', 2), 40),
      used(handle('photos', 1), 30),
    ];
    const offered = await offeredFolders(remembered, [], []);
    expect(offered.map(({ lastUsedAt }) => lastUsedAt)).toEqual([50, 40]);
    const others = await offeredFolders(remembered, [], [handle('photos', 1)]);
    expect(others.map(({ lastUsedAt }) => lastUsedAt)).toEqual([40]);
  });

  it('offers all stored sets, also those that were never used', async () => {
    const set = (path: string, lastUsedAt: number) => ({ path, kind: 'aligned', lastUsedAt }) as const;
    const sets = Array.from({ length: 7 }, (_, index) => set(`aligned/${index}`, index));
    const remembered = [used({ kind: 'private', path: 'aligned/3' }, 60)];
    const offered = await offeredFolders(remembered, sets, []);
    expect(offered).toHaveLength(7);
    expect(offered[0]!.reference).toEqual({ kind: 'private', path: 'aligned/3' });
  });
});

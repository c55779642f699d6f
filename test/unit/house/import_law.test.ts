/** Checks the whole tree against the import law, and the law for consistency. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { ESLint } from 'eslint';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../../cli/system/paths.ts';
import { IMPORT_LAW, importFault, roomOf } from '../../../scripts/setup/import_law.mjs';

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: projectRoot,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(ts|svelte|mjs|js)$/.test(file) && existsSync(join(projectRoot, file)));

/** All imports between files of this project, as paths from its root. */
const imports = files.flatMap((from) => {
  const text = readFileSync(join(projectRoot, from), 'utf8');
  // For a component, use its scripts.
  const code = from.endsWith('.svelte')
    ? [...text.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map(([, script]) => script!).join('\n')
    : text;
  return ts
    .preProcessFile(code, true, true)
    .importedFiles.map(({ fileName }) => fileName.split('?')[0]!)
    .filter((name) => name.startsWith('.'))
    .map((name) => ({ from, to: normalize(join(dirname(from), name)) }));
});

it('reads the imports of the whole tree', () => {
  expect(files.length).toBeGreaterThan(800);
  expect(imports.length).toBeGreaterThan(3000);
});

it('finds no import against the law', () => {
  expect(imports.flatMap(({ from, to }) => importFault(from, to)?.concat(` ${from}`) ?? [])).toEqual([]);
});

it('has a room for every folder of the program', () => {
  const program = files.filter((file) => /^(workers|src|cli)\//.test(file));
  expect(program.filter((file) => roomOf(file) === undefined)).toEqual([]);
});

it('has no circle of rooms', () => {
  // Rooms that own workers start entry points by their addresses, so the imports of entry points are not arrows back.
  const arrows = new Map(
    Object.entries(IMPORT_LAW).map(([room, targets]) => [
      room,
      targets.filter((target) => target !== 'workers' && target !== room),
    ]),
  );
  const circles: string[] = [];
  const walk = (room: string, path: readonly string[]): void => {
    if (path.includes(room)) {
      circles.push([...path.slice(path.indexOf(room)), room].join(' → '));
      return;
    }
    for (const next of arrows.get(room) ?? []) walk(next, [...path, room]);
  };
  for (const room of arrows.keys()) walk(room, []);
  expect(circles).toEqual([]);
});

describe('the lint rule', () => {
  // With types, a single run of the linter reads the file on disk instead of the given text.
  const untyped = {
    languageOptions: { parserOptions: { project: null } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
    },
  } as const;

  it.each([
    [
      'workers/files/planted.ts',
      "import { EngineDevice } from '../gpu/device.ts';\nexport const device = EngineDevice;\n",
      'workers/files may not import workers/gpu',
    ],
    [
      'src/ui/Planted.svelte',
      '<script lang="ts">\n  import { EngineDevice } from \'../../workers/gpu/device.ts\';\n</script>\n\n{EngineDevice.name}\n',
      'src/ui may not import workers/gpu',
    ],
  ])('refuses a planted import in %s', async (file, text, message) => {
    const lint = new ESLint({ cwd: projectRoot, overrideConfig: untyped });
    const [result] = await lint.lintText(text, { filePath: join(projectRoot, file) });
    expect(result!.messages.map((found) => found.message)).toEqual([expect.stringContaining(message)]);
  });
});

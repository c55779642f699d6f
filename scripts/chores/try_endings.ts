/**
 * `npm run try_endings -- --seed 1 --moments 30`: ends align, train, export and embed at random moments, in every way.
 * Then it checks that no incomplete file has its final name, that everything listed is on the disk, that running the
 * command again gives the result of an undisturbed run, and that no process, profile or hidden file is left.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../cli/system/paths.ts';
import { patternedPng } from '../../test/e2e/helpers/patterned_png.ts';
import {
  ENDINGS,
  filesBelow,
  leftovers,
  loggedSteps,
  safetensorsValues,
  StartedCommand,
  type Ending,
} from '../../test/e2e/helpers/endings.ts';
import { hashKey, uniform } from '../../workers/common/random.ts';
import { ensureBuild } from '../setup/ensure_build.mjs';

const JOBS = ['align', 'train', 'export', 'embed'] as const;
type Job = (typeof JOBS)[number];
const STEPS = 18;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    moments: { type: 'string', default: '30' },
    jobs: { type: 'string', default: JOBS.join(',') },
  },
});
const seed = Number(values.seed);
const jobs = JOBS.filter((job) => values.jobs.split(',').includes(job));

await ensureBuild({ quiet: true });
const home = mkdtempSync(join(tmpdir(), 'facenet-endings-'));
const input = join(home, 'in');
for (let person = 0; person < 4; person++) {
  mkdirSync(join(input, 'photos', `Person_${person}`), { recursive: true });
  mkdirSync(join(input, 'aligned', `Person_${person}`), { recursive: true });
  for (let photo = 0; photo < 6; photo++) {
    const name = `Person_${person}/${photo}.png`;
    if (photo < 3)
      copyFileSync(join(projectRoot, 'test/fixtures/astronaut.png'), join(input, 'photos', name));
    writeFileSync(join(input, 'aligned', name), patternedPng(40, person, photo));
  }
}

/** @param out the output folder */
function argsOf(job: Job, out: string): string[] {
  switch (job) {
    case 'align':
      return ['align', join(input, 'photos'), out, '--image_size', '96', '--backend', 'wasm'];
    case 'embed':
      return ['embed', model, join(input, 'aligned'), out, '--batch_size', '2', '--backend', 'wasm'];
    case 'export':
      return ['export', model, out, '--format', 'onnx'];
    case 'train':
      return [
        ...['train', '--data_dir', join(input, 'aligned'), '--logs_base_dir', join(out, 'logs')],
        ...[
          '--models_base_dir',
          join(out, 'models'),
          '--model_def',
          'models.squeezenet',
          '--image_size',
          '32',
        ],
        ...['--embedding_size', '8', '--batch_size', '4', '--epoch_size', String(STEPS / 3)],
        ...['--max_nrof_epochs', '3', '--optimizer', 'ADAM', '--learning_rate', '0.01', '--random_flip'],
        ...['--use_fixed_image_standardization', '--validation_set_split_ratio', '0.2', '--backend', 'wasm'],
        ...['--validate_every_n_epochs', '1', '--min_nrof_val_images_per_class', '1'],
      ];
  }
}

const reference = join(home, 'reference');
const durationsMs = new Map<Job, number>();
let model = '';
for (const job of ['train', ...JOBS.filter((one) => one !== 'train')] as const) {
  const startedAt = performance.now();
  const command = new StartedCommand(argsOf(job, join(reference, job)), home);
  if ((await command.end()) !== 0) throw new Error(`The undisturbed ${job} failed:\n${command.output}`);
  durationsMs.set(job, performance.now() - startedAt);
  if (job === 'train')
    model = join(reference, 'train/models', readdirSync(join(reference, 'train/models'))[0]!);
  console.log(`undisturbed ${job}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

let faulty = 0;
const counts = new Map<string, number>();
for (let moment = 0; moment < Number(values.moments); moment++) {
  const key = hashKey(seed, moment);
  const job = jobs[moment % jobs.length]!;
  const ending = ENDINGS[Math.floor(uniform(key, 0) * ENDINGS.length)]!;
  const delayMs = (0.05 + 0.9 * uniform(key, 1)) * durationsMs.get(job)!;
  const problems = await tryEnding(job, ending, delayMs, uniform(key, 2) < 0.5);
  counts.set(ending, (counts.get(ending) ?? 0) + 1);
  if (problems.length > 0) faulty++;
  console.log(
    `${moment + 1}. ${job}, ${ending} after ${(delayMs / 1000).toFixed(1)} s: ${problems.length === 0 ? 'as it should be' : `\n   ${problems.join('\n   ')}`}`,
  );
}
console.log([...counts].map(([ending, count]) => `${ending}: ${count}`).join(', '));
console.log(
  `${Number(values.moments) - faulty} of ${values.moments} moments as they should be (seed ${seed}).`,
);
rmSync(home, { recursive: true, force: true });
process.exit(faulty === 0 ? 0 : 1);

/** @returns the problems */
async function tryEnding(job: Job, ending: Ending, delayMs: number, toGroup: boolean): Promise<string[]> {
  const out = join(home, 'out');
  rmSync(out, { recursive: true, force: true });
  const command = new StartedCommand(argsOf(job, out), home, ending);
  await sleep(delayMs);
  command.interrupt(toGroup);
  const problems = (await leftovers(home)).map((left) => `left behind: ${left}`);
  problems.push(...wrongIn(job, out, false));
  const args = job === 'train' ? goOnArgs(out) : argsOf(job, out);
  if (args) {
    const again = new StartedCommand(args, home);
    const code = await again.end();
    if (code !== 0) problems.push(`run again: exit code ${code}: ${again.output.slice(-400)}`);
  }
  problems.push(...(await leftovers(home)).map((left) => `left behind in the end: ${left}`));
  problems.push(...wrongIn(job, out, true));
  rmSync(join(home, 'state'), { recursive: true, force: true });
  return problems;
}

/** @returns undefined if the run has finished */
function goOnArgs(out: string): string[] | undefined {
  const store = join(home, 'state/facenet-webgpu-trainer/runs');
  for (const slot of existsSync(store) ? readdirSync(store) : []) {
    const path = join(store, slot, 'run.json');
    const run = existsSync(path)
      ? (JSON.parse(readFileSync(path, 'utf8')) as { runId: string; isFinished?: true })
      : undefined;
    if (run && !run.isFinished) return ['train', '--resume', run.runId];
  }
  const [finished] = filesBelow(join(out, 'models')).filter((path) => path.endsWith(`-${STEPS}.safetensors`));
  // The run ended before it began, so there is nothing to resume.
  return finished ? undefined : argsOf('train', out);
}

/** @param isComplete whether the job has run to its end */
function wrongIn(job: Job, out: string, isComplete: boolean): string[] {
  return job === 'train' ? wrongInTraining(out, isComplete) : wrongFiles(job, out, isComplete);
}

function wrongFiles(job: Job, out: string, isComplete: boolean): string[] {
  // Each session writes new lists, named with a random number.
  const isList = (path: string): boolean => /^(bounding_boxes|alignment)_\d+\./.test(path);
  const expected = filesBelow(join(reference, job)).filter((path) => !isList(path));
  const found = filesBelow(out).filter((path) => !isList(path));
  const problems = found.flatMap((path) =>
    !expected.includes(path)
      ? [`unexpected: ${path}`]
      : readFileSync(join(out, path)).equals(readFileSync(join(reference, job, path)))
        ? []
        : [`differs: ${path}`],
  );
  if (!isComplete) return problems;
  problems.push(...expected.filter((path) => !found.includes(path)).map((path) => `missing: ${path}`));
  if (job !== 'align') return problems;
  const listed = filesBelow(out)
    .filter((path) => path.startsWith('bounding_boxes'))
    .flatMap((path) => readFileSync(join(out, path), 'utf8').trimEnd().split('\n'))
    .map((line) => line.replace(/( \d+){4}$/, ''));
  for (const path of found) {
    const times = listed.filter((line) => line === path).length;
    if (path.endsWith('.png') && times !== 1) problems.push(`listed ${times} times: ${path}`);
  }
  return problems;
}

function wrongInTraining(out: string, isComplete: boolean): string[] {
  const expectedModels = join(reference, 'train/models', readdirSync(join(reference, 'train/models'))[0]!);
  const stepOf = (path: string): string => /-(\d+)\.safetensors$/.exec(path)?.[1] ?? path;
  const expected = new Map(
    readdirSync(expectedModels).map((name) => [stepOf(name), join(expectedModels, name)]),
  );
  const found = filesBelow(join(out, 'models'));
  const problems: string[] = [];
  for (const path of found)
    try {
      const values = safetensorsValues(join(out, 'models', path));
      const same = expected.get(stepOf(path));
      if (same && !values.equals(safetensorsValues(same))) problems.push(`differs: ${path}`);
    } catch (error) {
      problems.push((error as Error).message);
    }
  if (!isComplete) return problems;
  for (const step of expected.keys())
    if (!found.some((path) => stepOf(path) === step)) problems.push(`missing: the model of step ${step}`);
  const runs = readdirSync(join(out, 'logs'));
  if (runs.length !== 1) problems.push(`${runs.length} log folders`);
  const logs = join(out, 'logs', runs[0]!);
  const expectedLogs = join(reference, 'train/logs', readdirSync(join(reference, 'train/logs'))[0]!);
  for (const tag of ['loss/total', 'validation/accuracy', 'time/total']) {
    const [steps, wanted] = [loggedSteps(logs, tag), loggedSteps(expectedLogs, tag)];
    if (steps.join() !== wanted.join())
      problems.push(`TensorBoard's ${tag}: steps ${steps.join()} instead of ${wanted.join()}`);
  }
  return problems;
}

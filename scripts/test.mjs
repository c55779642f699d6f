// `npm test`: installs what is missing, then every check, one after the other, up to the first that fails.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuild } from './ensure_build.mjs';
import { ensureChromium } from './ensure_chromium.mjs';
import { ensureModules } from './ensure_modules.mjs';
import { projectRoot, runCommand, runNpm } from './run_command.mjs';

const totals = { passed: 0, failed: 0 };

const steps = [
  ['install', () => ensureModules()],
  ['chromium', useChromium],
  ['format', () => runScript('check:format')],
  ['lint', () => runScript('check:lint')],
  ['types', () => runScript('check:types')],
  ['unit tests', () => runTests('unit')],
  ['GPU tests', () => runTests('gpu')],
  ['build', () => ensureBuild()],
  ['end-to-end tests', () => runTests('e2e')],
];

const startedAt = performance.now();
for (const [name, run] of steps) {
  const stepStartedAt = performance.now();
  console.log(`\n── ${name}`);
  let problem;
  try {
    await run();
  } catch (error) {
    problem = error;
  }
  const seconds = ((performance.now() - stepStartedAt) / 1000).toFixed(1);
  console.log(`── ${name}: ${problem ? 'FAILED' : 'passed'} after ${seconds} s`);
  if (!problem) continue;
  console.error(`\n${problem.message}`);
  // A step that failed without a failed test counts as one.
  console.log(`\n${totals.passed} passed, ${Math.max(totals.failed, 1)} failed`);
  process.exit(1);
}
console.log(`\nEverything passed after ${((performance.now() - startedAt) / 1000).toFixed(0)} s.`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);

async function useChromium() {
  const path = await ensureChromium({ log: console.log });
  console.log(path);
  // Every later step finds the same one.
  process.env.FACENET_BROWSER = path;
}

async function runScript(name) {
  const { code } = await runNpm(['run', '--silent', name]);
  if (code !== 0) throw new Error(`npm run ${name} ended with exit code ${code}.`);
}

/** @param {'unit' | 'gpu' | 'e2e'} project of vitest.config.ts */
async function runTests(project) {
  mkdirSync(join(projectRoot, '.cache'), { recursive: true });
  const report = join(projectRoot, `.cache/test-${project}.json`);
  rmSync(report, { force: true });
  const { code } = await runCommand(process.execPath, [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]);
  const { numPassedTests, numFailedTests } = readReport(report);
  totals.passed += numPassedTests;
  totals.failed += numFailedTests;
  if (code !== 0 || numFailedTests > 0) throw new Error(`The tests of the project "${project}" failed.`);
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Vitest ended before it ran a test; its exit code says so.
    return { numPassedTests: 0, numFailedTests: 0 };
  }
}

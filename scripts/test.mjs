// `npm test`: installs what is missing, then runs every check, up to the first stage with a failure.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuild } from './setup/ensure_build.mjs';
import { ensureChromium } from './setup/ensure_chromium.mjs';
import { ensureModules } from './setup/ensure_modules.mjs';
import { projectRoot, runCommand, runNpm } from './setup/run_command.mjs';

/** The prefix of the terminal's end-to-end tests. */
const TERMINAL_TESTS = 'test/e2e/terminal_';

const totals = { passed: 0, failed: 0 };

/** Stages run one after the other. The steps of a stage run in parallel if each alone would leave a CPU core idle. */
const stages = [
  { install: () => ensureModules() },
  { chromium: useChromium },
  {
    format: () => runScript('check:format'),
    lint: () => runScript('check:lint'),
    types: () => runScript('check:types'),
  },
  { build: () => ensureBuild() },
  { 'unit tests': () => runTests('unit') },
  {
    // The GPU tests take half as long as the others together, so the tests of the terminal follow them.
    'GPU tests, tests of the terminal': async () =>
      `${await runTests('gpu')}\n${await runTests('e2e', 'terminal', [TERMINAL_TESTS])}`,
    'tests of the page': () => runTests('e2e', 'page', ['--exclude', `${TERMINAL_TESTS}*`]),
  },
];

const startedAt = performance.now();
for (const stage of stages) {
  const failed = (await Promise.all(Object.entries(stage).map(runStep))).includes(false);
  if (!failed) continue;
  // A step that failed without a failed test counts as one.
  console.log(`\n${totals.passed} passed, ${Math.max(totals.failed, 1)} failed`);
  process.exit(1);
}
console.log(`\nEverything passed after ${secondsSince(startedAt)} s.`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);

/**
 * The output of a step is printed when it ends, because the output of parallel steps would mix.
 * @returns {Promise<boolean>} whether it passed
 */
async function runStep([name, run]) {
  console.log(`\n── ${name} …`);
  const stepStartedAt = performance.now();
  // Without this, minutes without output would look like a hanging program.
  const sign = setInterval(() => console.log(`── ${name}: ${secondsSince(stepStartedAt)} s`), 60_000);
  try {
    const output = await run();
    console.log(
      `${output ? `\n${output.trim()}\n` : ''}── ${name}: passed after ${secondsSince(stepStartedAt)} s`,
    );
    return true;
  } catch (error) {
    console.error(`\n${error.message}\n── ${name}: FAILED after ${secondsSince(stepStartedAt)} s`);
    return false;
  } finally {
    clearInterval(sign);
  }
}

function secondsSince(time) {
  return ((performance.now() - time) / 1000).toFixed(0);
}

async function useChromium() {
  const path = await ensureChromium({ log: console.log });
  console.log(path);
  // Every later step uses the same browser.
  process.env.FACENET_BROWSER = path;
}

async function runScript(name) {
  const { code, output } = await runNpm(['run', '--silent', name], { quiet: true });
  if (code !== 0) throw new Error(`${output}\nnpm run ${name} ended with exit code ${code}.`);
}

/**
 * @param {'unit' | 'gpu' | 'e2e'} project a project in vitest.config.ts
 * @param {string} name the name of its report
 * @param {readonly string[]} files selects files of the project, as arguments for Vitest
 */
async function runTests(project, name = project, files = []) {
  mkdirSync(join(projectRoot, '.cache'), { recursive: true });
  const report = join(projectRoot, `.cache/test-${name}.json`);
  rmSync(report, { force: true });
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', project];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { code, output } = await runCommand(process.execPath, [...vitest, ...files, ...reporters], {
    quiet: true,
  });
  const { numPassedTests, numFailedTests } = readReport(report);
  totals.passed += numPassedTests;
  totals.failed += numFailedTests;
  if (code !== 0 || numFailedTests > 0) throw new Error(`${output}\nThe tests "${name}" failed.`);
  return output;
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Vitest ended before it ran a test, and its exit code says so.
    return { numPassedTests: 0, numFailedTests: 0 };
  }
}

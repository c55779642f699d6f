/** Entry point: the curves of runs, made short enough to draw away from the page's own thread. */
import { expose } from 'comlink';
import type { ChartsWorkerApi } from './protocol/train/charts.ts';
import { readSteps, readStepsAfter } from './storage/runs.ts';
import { RunCourse } from './training/run_course.ts';

/** Runs whose measurements are held in memory at once; the one that was not asked for the longest goes. */
const RUNS_HELD = 8;
const NEWEST_STEPS = 300;

interface OpenedRun {
  readonly course: RunCourse;
  readonly newest: Awaited<ReturnType<typeof readSteps>>;
}

const opened = new Map<string, Promise<OpenedRun>>();

async function openRun(runId: string, batchSize: number): Promise<OpenedRun> {
  const steps = await readSteps(runId);
  const course = new RunCourse(batchSize);
  course.append(steps);
  return { course, newest: steps.slice(-NEWEST_STEPS) };
}

function hold(runId: string, run: Promise<OpenedRun>): Promise<OpenedRun> {
  opened.delete(runId);
  opened.set(runId, run);
  for (const id of [...opened.keys()].slice(0, -RUNS_HELD)) opened.delete(id);
  return run;
}

/** Reads the run again where it is no longer held. */
function courseOf(runId: string, batchSize: number): Promise<OpenedRun> {
  return hold(runId, opened.get(runId) ?? openRun(runId, batchSize));
}

const api: ChartsWorkerApi = {
  async open(runId, batchSize) {
    const { course, newest } = await hold(runId, openRun(runId, batchSize));
    return { stepCount: course.length, newest };
  },
  async append(runId, batchSize, records) {
    (await courseOf(runId, batchSize)).course.append(records);
  },
  async follow(runId, batchSize) {
    const { course } = await courseOf(runId, batchSize);
    const records = await readStepsAfter(runId, course.lastStep);
    course.append(records);
    return records.slice(-NEWEST_STEPS);
  },
  async truncate(runId, batchSize, step) {
    (await courseOf(runId, batchSize)).course.truncate(step);
  },
  async chart(runId, batchSize, request) {
    return (await courseOf(runId, batchSize)).course.chart(request);
  },
};

expose(api);

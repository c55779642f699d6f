/**
 * The lengths of the page's main-thread tasks in a Chromium trace. The format is the Trace Event Format; a task is a
 * `RunTask` of the thread CrRendererMain.
 */

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Start, microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** CPU time. It is shorter than dur if other programs had the CPU meanwhile. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

export interface MainThreadTasks {
  readonly count: number;
  readonly longestMs: number;
  /** The longest CPU time of a task, milliseconds: its duration on an idle machine. */
  readonly longestProcessorMs: number;
  readonly over50Ms: number;
}

/** The categories to record. */
export const TRACE_CATEGORIES = ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'];

/** @param trace the result of Browser.stopTracing */
export function mainThreadTasks(trace: string): MainThreadTasks {
  const { traceEvents } = JSON.parse(trace) as { traceEvents: TraceEvent[] };
  const threads = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  );
  // If there are several pages, use the busiest one.
  const perThread = threads.map(({ pid, tid }) =>
    traceEvents.filter(
      (event) => event.pid === pid && event.tid === tid && event.ph === 'X' && /RunTask$/.test(event.name),
    ),
  );
  const tasks = perThread.reduce((most, other) => (other.length > most.length ? other : most), []);
  const longest = (of: (event: TraceEvent) => number): number =>
    tasks.reduce((most, event) => Math.max(most, of(event)), 0) / 1000;
  return {
    count: tasks.length,
    longestMs: longest(({ dur = 0 }) => dur),
    longestProcessorMs: longest(({ dur = 0, tdur = dur }) => tdur),
    over50Ms: tasks.filter(({ dur = 0 }) => dur > 50_000).length,
  };
}

/**
 * The page's main thread in a trace of Chromium's: how long its tasks are. Format: Trace Event Format; a task is a
 * `RunTask` of the thread named CrRendererMain.
 */

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** On a processor; shorter than dur where other programs had it. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

export interface MainThreadTasks {
  readonly count: number;
  readonly longestMs: number;
  /** The longest one's time on a processor, milliseconds: what it takes on a machine that does nothing else. */
  readonly longestProcessorMs: number;
  readonly over50Ms: number;
}

/** Categories for the recording. */
export const TRACE_CATEGORIES = ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'];

/** @param trace what Browser.stopTracing returns */
export function mainThreadTasks(trace: string): MainThreadTasks {
  const { traceEvents } = JSON.parse(trace) as { traceEvents: TraceEvent[] };
  const threads = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  );
  // Of several pages, the one that does something.
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

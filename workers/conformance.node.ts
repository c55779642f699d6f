/** The conformance check in Node: the engine on Dawn, which must be installed as `navigator.gpu` before. */
import { runConformance } from './conformance/run.ts';
import { createEngineExecutor } from './engine/executor.ts';
import type { ConformanceReport } from './protocol/conformance.ts';
import type { Precision } from './training/options.ts';

/**
 * @param fixture text of a fixture file
 * @throws NotAFixtureError
 */
export function runConformanceInNode(
  fixture: string,
  precision: Precision,
  onMessage: (message: string) => void,
): Promise<ConformanceReport> {
  return runConformance(
    fixture,
    async () => (settings) => createEngineExecutor(settings),
    onMessage,
    precision,
  );
}

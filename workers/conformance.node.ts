/** The conformance check in Node: the engine on Dawn, which must be installed as `navigator.gpu` before. */
import { runConformance } from './jobs/conformance/run.ts';
import { createEngineExecutor } from './compute/engine/executor.ts';
import type { ConformanceReport } from './protocol/train/conformance.ts';
import type { Precision } from './protocol/train/options.ts';

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

/** The page's whole state, made once. */
import { ApplicationParts } from './application_parts.svelte.ts';
import { SampleRun } from './sample_run.svelte.ts';

export class Application extends ApplicationParts {
  readonly sampleRun = new SampleRun(this);
}

export const app = new Application();

/** The functions that the embedding benchmark's page offers to embed_command.ts. */
import { benchEmbed, type EmbedBenchOptions, type EmbedBenchReport } from './embed_bench.ts';

export interface EmbedBenchPage {
  embedBench(options: EmbedBenchOptions, wasmFolder: string): Promise<EmbedBenchReport>;
}

(globalThis as unknown as EmbedBenchPage).embedBench = (options, wasmFolder) =>
  benchEmbed(options, wasmFolder, (message) => {
    console.log(message);
  });

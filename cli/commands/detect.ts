/** detect: every face of every photo, a JSON object a line. */
import { once } from 'node:events';
import { createWriteStream, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { DEFAULT_ALIGN_OPTIONS, type DetectionRecord } from '../../workers/protocol/align/align.ts';
import { describeSkipped } from '../../workers/protocol/data/skipped_files.ts';
import { chosenBackend, type Command, interruptibleControl } from '../arguments/command.ts';
import { CommandError } from '../system/errors.ts';
import { formatProgress } from '../arguments/format.ts';
import { prepareOutputFolder, requireApart } from '../arguments/output_folder.ts';
import { kindOf, requireFile, requireFolder, resolvePath } from '../system/paths.ts';
import { DETECTOR_FLAGS, readDetectorOptions } from './align.ts';

export const detectCommand: Command = {
  name: 'detect',
  summary: 'Find all faces in photos and write their boxes, scores and landmarks as JSON lines.',
  positionals: [
    { name: 'in', description: 'One photo, or a folder of photos (including its subfolders).' },
    { name: 'out.jsonl', description: 'The output file, with one JSON object per photo.' },
  ],
  flags: DETECTOR_FLAGS,
  example: 'detect ~/photos faces.jsonl',
  async run(context) {
    const { args, output } = context;
    const [input, out] = args.positionals.map(resolvePath) as [string, string];
    const isOnePhoto = kindOf(input) === 'file';
    if (!isOnePhoto) requireFolder(input);
    const options = { ...DEFAULT_ALIGN_OPTIONS, ...readDetectorOptions(args) };
    if (kindOf(out) === 'folder')
      throw new CommandError(`${out} is a folder, but the output must be a file.`);
    if (!isOnePhoto) requireApart(input, out);
    prepareOutputFolder(dirname(out));
    const session = await context.openSession();
    const file = isOnePhoto ? requireFile(input) : undefined;
    const photos = file ? session.openFolder(file.folder, { only: [file.name] }) : session.openFolder(input);
    const lines = new LinesFile(out);
    const startedAt = performance.now();
    let photoCount = 0;
    const totals = await session.align.detect(
      [photos],
      options,
      chosenBackend(args),
      interruptibleControl(context),
      (record, done, total) => {
        photoCount = total;
        lines.write(record);
        if (record.error) output.line(`Unable to read "${record.image}": ${record.error}`);
        const rate = (1000 * done) / (performance.now() - startedAt);
        const figures = { done, total, rate, secondsLeft: (total - done) / rate };
        output.progress(formatProgress('Searched', 'photos', figures), done === total);
      },
    );
    const isComplete = totals.images === photoCount;
    const written = await lines.finish(isComplete);
    for (const line of describeSkipped(totals.skipped)) output.line(line);
    output.line(
      `${totals.faces} faces in ${totals.images} photos${totals.failures ? ` (${totals.failures} unreadable)` : ''}: ${written}`,
    );
    return { json: { ...totals, complete: isComplete, output: written } };
  },
};

/** Takes its name when it is complete; until then, and after a stop, its lines are in `<name>.part`. */
class LinesFile {
  readonly #path: string;
  readonly #stream;
  #failure: Error | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#stream = createWriteStream(`${path}.part`);
    this.#stream.on('error', (error) => {
      this.#failure = error;
    });
  }

  write(record: DetectionRecord): void {
    if (!this.#failure) this.#stream.write(`${JSON.stringify(record)}\n`);
  }

  /** @returns the path of what is written */
  async finish(isComplete: boolean): Promise<string> {
    const part = `${this.#path}.part`;
    try {
      if (this.#failure) throw this.#failure;
      if (this.#stream.pending) await once(this.#stream, 'open');
      this.#stream.end();
      await finished(this.#stream);
      if (!isComplete) return part;
      renameSync(part, this.#path);
      return this.#path;
    } catch (error) {
      throw new CommandError(`${this.#path} could not be written: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

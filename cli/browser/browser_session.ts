/** A headless Chromium with the built page in it, and the workers' functions as if they were here. */
import { readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { chromiumArguments } from '../../scripts/setup/chromium.mjs';
import { distFolder } from '../../scripts/setup/ensure_build.mjs';
import { ensureChromium } from '../../scripts/setup/ensure_chromium.mjs';
import {
  CALLBACK_BINDING,
  type CallbackMark,
  type CallOutcome,
  type ControlMark,
  type FileMark,
  type TerminalBridge,
  type WorkerName,
} from '../page/terminal_bridge.ts';
import { JobControl, type JobCommand } from '../../workers/protocol/job_control.ts';
import type { AlignWorkerApi } from '../../workers/protocol/align/align.ts';
import type { DatasetWorkerApi, DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { DeviceInfo } from '../../workers/protocol/device.ts';
import type { InspectWorkerApi } from '../../workers/protocol/use/inspect.ts';
import type { TrainWorkerApi } from '../../workers/protocol/train/train_worker.ts';
import { CleanUp } from '../system/clean_up.ts';
import { CommandError } from '../system/errors.ts';
import {
  definedIn,
  makeBrowserFolders,
  removeFolderAtOnce,
  removeFolders,
  type BrowserFolders,
} from './browser_folders.ts';
import { FolderServer, LINK_OUTSIDE, type FolderAccess } from './folder_server.ts';
import { startStaticServer, type StaticServer } from './static_server.ts';

/**
 * Always the same origin, whatever port the server gets: a browser keeps runs by origin. Names under localhost are
 * secure contexts, which WebGPU and shared memory ask for.
 */
const HOST = 'facenet.localhost';
const ORIGIN = `http://${HOST}`;
const LOAD_LIMIT_MS = 120_000;
const PROFILE_IN_USE_MS = 10_000;
const PROFILE_POLL_MS = 500;

/** A failure inside the page, in its own words. */
export class PageError extends CommandError {
  /** The error's name there, e.g. NoImagesError. */
  readonly kind: string;
  constructor(kind: string, message: string, stack: string) {
    super(message);
    this.kind = kind;
    this.stack = stack;
  }
}

export interface SessionOptions {
  /** Default: an installed Chromium, else one that gets installed. */
  readonly browser?: string | undefined;
  readonly browserArguments?: readonly string[];
  /** Kept after the session; default: a temporary one. */
  readonly profileFolder?: string | undefined;
  readonly log: (line: string) => void;
  /** What the page writes to its console goes to the log too. */
  readonly verbose: boolean;
}

export class BrowserSession {
  readonly align: AlignWorkerApi;
  readonly dataset: DatasetWorkerApi;
  readonly train: TrainWorkerApi;
  readonly inspect: InspectWorkerApi;
  readonly #context: BrowserContext;
  readonly #page: Page;
  readonly #server: StaticServer;
  readonly #folders: FolderServer;
  readonly #temporary: BrowserFolders;
  readonly #callbacks = new Map<number, (...values: unknown[]) => void>();
  #callbackCount = 0;
  #controlCount = 0;
  #isClosed = false;
  #device: DeviceInfo | undefined;
  #ended: ((error: Error) => void) | undefined;
  readonly #end: Promise<never>;

  private constructor(
    context: BrowserContext,
    page: Page,
    server: StaticServer,
    folders: FolderServer,
    temporary: BrowserFolders,
  ) {
    this.#context = context;
    this.#page = page;
    this.#server = server;
    this.#folders = folders;
    this.#temporary = temporary;
    this.align = this.#workerApi<AlignWorkerApi>('align');
    this.dataset = this.#workerApi<DatasetWorkerApi>('dataset');
    this.train = this.#workerApi<TrainWorkerApi>('train');
    this.inspect = this.#workerApi<InspectWorkerApi>('inspect');
    this.#end = new Promise<never>((_, reject) => {
      this.#ended = reject;
    });
    this.#end.catch(() => undefined);
    page.on('crash', () =>
      this.#ended?.(
        new CommandError(
          'The page in the browser crashed, perhaps because it ran out of memory. Try a smaller batch, or close other programs.',
        ),
      ),
    );
    context.on('close', () =>
      this.#ended?.(
        new CommandError('The browser closed before the command had finished. Run the command again.'),
      ),
    );
  }

  /** @throws CommandError when there is no browser, or it does not start */
  static async open(options: SessionOptions): Promise<BrowserSession> {
    const executablePath = await findBrowser(options);
    const cleanUp = new CleanUp();
    const folders = new FolderServer(
      ({ code, path }) => options.log(`The folder ${path} cannot be read (${code}), so it is skipped.`),
      cleanUp,
    );
    const server = await startStaticServer(distFolder, (request, response) =>
      folders.handle(request, response),
    );
    const temporary = makeBrowserFolders();
    for (const folder of new Set(Object.values(temporary))) {
      cleanUp.add(folder);
      process.once('exit', () => removeFolderAtOnce(folder));
    }
    const start = async (software: boolean): Promise<BrowserSession> => {
      const profile = options.profileFolder ?? join(temporary.files, 'profile');
      const context = await launch(
        executablePath,
        options,
        profile,
        temporary.sockets,
        server.port,
        software,
      );
      const processId = browserOf(profile);
      if (processId !== undefined) cleanUp.addBrowser(processId);
      const page = context.pages()[0] ?? (await context.newPage());
      if (options.verbose) {
        page.on('console', (message) => options.log(`[page] ${message.text()}`));
        page.on('pageerror', (error) => options.log(`[page] ${error.stack ?? error.message}`));
      }
      const session = new BrowserSession(context, page, server, folders, temporary);
      await session.#load();
      return session;
    };
    try {
      const session = await start(false);
      if (session.device.hasWebGpu) return session;
      // No graphics processor, and on some machines the search for one keeps the simulated one from being found.
      await session.#context.close();
      return await start(true);
    } catch (error) {
      await server.close();
      await removeFolders(temporary);
      throw error;
    }
  }

  get device(): DeviceInfo {
    return this.#device!;
  }

  /** A real folder, as the workers take it. */
  openFolder(path: string, access: FolderAccess = {}): DirectoryReference {
    return { kind: 'http', name: basename(path) || path, url: ORIGIN + this.#folders.open(path, access) };
  }

  /** A real file's content, for an argument that the workers take as a Blob; it becomes one in the page. */
  openFile(path: string): Blob {
    const folder = this.#folders.open(dirname(path), { only: [basename(path)] });
    const mark: FileMark = { facenetFile: `${ORIGIN}${folder}/${encodeURIComponent(basename(path))}` };
    return mark as unknown as Blob;
  }

  /** A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ended = undefined;
    await this.#context.close().catch(() => undefined);
    await this.#server.close();
    await removeFolders(this.#temporary);
  }

  async #load(): Promise<void> {
    await this.#page.exposeBinding(CALLBACK_BINDING, (_source, id: number, values: unknown[]) => {
      this.#callbacks.get(id)?.(...values);
    });
    await this.#page.goto(`${ORIGIN}/terminal.html`, { timeout: LOAD_LIMIT_MS });
    await this.#page.waitForFunction(() => 'facenet' in globalThis, undefined, { timeout: LOAD_LIMIT_MS });
    this.#device = await this.align.describeDevice();
  }

  /** Any method of the worker becomes a call into the page. */
  #workerApi<Api>(worker: WorkerName): Api {
    return new Proxy(
      {},
      {
        get:
          (_, method) =>
          (...args: unknown[]) =>
            this.#call(worker, String(method), args),
      },
    ) as Api;
  }

  async #call(worker: WorkerName, method: string, args: readonly unknown[]): Promise<unknown> {
    const ids: number[] = [];
    const unfollow: (() => void)[] = [];
    const passed = args.map((argument): unknown => {
      if (argument instanceof JobControl) {
        const id = this.#controlCount++;
        unfollow.push(argument.follow((command) => void this.#command(id, command)));
        return { facenetControl: id } satisfies ControlMark;
      }
      if (typeof argument !== 'function') return argument;
      const id = this.#callbackCount++;
      ids.push(id);
      this.#callbacks.set(id, argument as (...values: unknown[]) => void);
      return { facenetCallback: id } satisfies CallbackMark;
    });
    try {
      const outcome = await Promise.race([
        this.#page.evaluate(
          ([name, called, values]) =>
            (globalThis as unknown as { facenet: TerminalBridge }).facenet.call(name, called, values),
          [worker, method, passed] as const,
        ),
        this.#end,
      ]);
      if (!outcome.ok) throw this.#explain(outcome);
      return outcome.value;
    } finally {
      for (const id of ids) this.#callbacks.delete(id);
      for (const end of unfollow) end();
    }
  }

  /** A page that is gone cannot be told; the call itself then fails. */
  async #command(control: number, command: JobCommand): Promise<void> {
    await this.#page
      .evaluate(
        ([id, wanted]) => (globalThis as unknown as { facenet: TerminalBridge }).facenet.control(id, wanted),
        [control, command] as const,
      )
      .catch(() => undefined);
  }

  /** The page knows folders by name; here the real path and the system's reason can be told. */
  #explain({ name, message, stack }: CallOutcome & { ok: false }): PageError {
    const failure = this.#folders.lastFailure;
    if (name === 'FolderMissingError' && failure)
      return new PageError(
        name,
        `The folder ${failure.path} is missing or empty. Put it back and run the command again. What has been written so far is kept.`,
        stack,
      );
    if (name === 'PermissionLostError' && failure?.code === LINK_OUTSIDE)
      return new PageError(
        name,
        `${failure.path} is a symbolic link that leads out of the output folder. Replace it with a real folder, or use the folder that it points to as the output.`,
        stack,
      );
    if (name === 'PermissionLostError' && failure)
      return new PageError(
        name,
        `${failure.path} cannot be read or written (${failure.code}). Check its owner and permissions.`,
        stack,
      );
    if (name === 'StorageFullError' && failure)
      return new PageError(
        name,
        `There is not enough space to write ${failure.path}. Free some space and run the command again. What has been written so far is kept.`,
        stack,
      );
    return new PageError(name, message, stack);
  }
}

async function findBrowser(options: SessionOptions): Promise<string> {
  try {
    return await ensureChromium({ preferred: options.browser, log: options.log });
  } catch (error) {
    throw new CommandError((error as Error).message, { cause: error });
  }
}

/** @throws CommandError */
async function launch(
  executablePath: string,
  options: SessionOptions,
  profileFolder: string,
  socketsFolder: string,
  port: number,
  software: boolean,
): Promise<BrowserContext> {
  const { browserArguments = [] } = options;
  for (let waitedMs = 0; ; waitedMs += PROFILE_POLL_MS)
    try {
      return await chromium.launchPersistentContext(profileFolder, {
        executablePath,
        headless: true,
        args: [
          ...chromiumArguments({ software }),
          `--host-resolver-rules=MAP ${HOST} 127.0.0.1:${port}`,
          // Last, so that the person's choice wins.
          ...browserArguments,
        ],
        // Beside the browser's own files, so that it goes with them.
        artifactsDir: join(profileFolder, 'playwright'),
        env: { ...definedIn(process.env), TMPDIR: socketsFolder },
        // Ctrl-C is the command's own to answer.
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      });
    } catch (error) {
      const { message } = error as Error;
      if (/ProcessSingleton|profile appears to be in use|already in use/i.test(message)) {
        // The browser of a command that was killed takes a moment to end.
        if (waitedMs < PROFILE_IN_USE_MS) {
          await sleep(PROFILE_POLL_MS);
          continue;
        }
        throw new CommandError(
          `Another browser is still using the profile ${profileFolder}. Close it or wait until it has ended, then run the command again.`,
          { cause: error },
        );
      }
      const reason = message.split('\n')[0]!.replace(/^browserType\.\w+: /, '');
      throw new CommandError(`The browser ${executablePath} could not be started: ${reason}`, {
        cause: error,
      });
    }
}

/** The process id that Chromium keeps in its profile as a link `<machine>-<process id>`. */
function browserOf(profileFolder: string): number | undefined {
  try {
    return Number(/-(\d+)$/.exec(readlinkSync(join(profileFolder, 'SingletonLock')))?.[1]) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Faults that need a real browser: it is killed in the middle of a checkpoint, its GPU process dies, its quota is
 * reached, or its page is frozen. The losses afterwards are those of an undisturbed run.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStaticServer, type StaticServer } from '../../cli/browser/static_server.ts';
import { chromiumArguments, findChromium } from '../../scripts/setup/chromium.mjs';
import { distFolder, ensureBuild } from '../../scripts/setup/ensure_build.mjs';
import { CALLBACK_BINDING, type TerminalBridge, type WorkerName } from '../../cli/page/terminal_bridge.ts';
import type { DirectoryReference } from '../../workers/protocol/data/dataset.ts';
import type { RunRecord } from '../../workers/protocol/train/runs.ts';
import type { TrainEvent, TrainRequest } from '../../workers/protocol/train/train.ts';
import { defaultTrainingOptions, type TrainingOptions } from '../../workers/protocol/train/options.ts';

const OPTIONS: TrainingOptions = {
  ...defaultTrainingOptions(),
  model_def: 'models.squeezenet',
  batch_size: 4,
  image_size: 25,
  embedding_size: 8,
  epoch_size: 3,
  max_nrof_epochs: 3,
  optimizer: 'ADAM',
  learning_rate: 0.01,
  random_crop: true,
  use_fixed_image_standardization: true,
  executor: 'engine',
  backend: 'webgpu',
};

/** The terminal's page, in a browser whose processes the test may end. */
class Session {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #profile: string;
  #onEvent: (event: TrainEvent) => void = () => undefined;

  private constructor(context: BrowserContext, page: Page, profile: string) {
    this.#context = context;
    this.page = page;
    this.#profile = profile;
  }

  static async open(address: string, profile: string): Promise<Session> {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: findChromium()?.path,
      headless: true,
      args: chromiumArguments({ software: true }),
    });
    const page = context.pages()[0] ?? (await context.newPage());
    const session = new Session(context, page, profile);
    await page.exposeBinding(CALLBACK_BINDING, (_source, _id: number, [event]: [TrainEvent]) =>
      session.#onEvent(event),
    );
    await page.goto(`${address}terminal.html`);
    await page.waitForFunction(() => 'facenet' in globalThis);
    return session;
  }

  async call<Value>(worker: WorkerName, method: string, ...args: unknown[]): Promise<Value> {
    const outcome = await this.page.evaluate(
      ([name, called, values]) =>
        (globalThis as unknown as { facenet: TerminalBridge }).facenet.call(name, called, values),
      [worker, method, args] as const,
    );
    if (!outcome.ok) throw new Error(`${outcome.name}: ${outcome.message}`);
    return outcome.value as Value;
  }

  async train(
    request: TrainRequest,
    onEvent: (event: TrainEvent) => void = () => undefined,
  ): Promise<{ losses: [number, number][]; events: TrainEvent[] }> {
    const events: TrainEvent[] = [];
    const losses = new Map<number, number>();
    this.#onEvent = (event) => {
      events.push(event);
      if (event.kind === 'step') losses.set(event.record.step, event.record.totalLoss);
      onEvent(event);
    };
    await this.call('train', 'train', request, { facenetControl: 0 }, { facenetCallback: 0 });
    return { losses: [...losses], events };
  }

  /**
   * SIGKILL, as when the machine runs out of memory.
   * @param type of Chromium's processes; default: the browser itself
   */
  kill(type?: 'gpu-process'): void {
    const killed = execFileSync('ps', ['-axww', '-o', 'pid=,args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(this.#profile))
      .filter((line) => (type ? line.includes(`--type=${type}`) : !line.includes('--type=')))
      .map((line) => Number.parseInt(line, 10));
    if (killed.length !== 1) throw new Error(`${killed.length} processes of the browser match.`);
    process.kill(killed[0]!, 'SIGKILL');
  }

  /** Chunks of checkpoints that have no record. */
  unfinishedCheckpoints(): Promise<number> {
    return this.page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open('facenet');
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error as Error);
      });
      const keysOf = (store: string): Promise<IDBValidKey[]> =>
        new Promise((resolve, reject) => {
          const request = database.transaction(store).objectStore(store).getAllKeys();
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error as Error);
        });
      const finished = new Set(await keysOf('checkpoints'));
      const ids = new Set((await keysOf('chunks')).map((key) => (key as [string, number])[0]));
      database.close();
      return [...ids].filter((id) => !finished.has(id)).length;
    });
  }

  /** Prevents writing the record of a checkpoint. Resolves when the chunks of one more checkpoint have been written. */
  async holdNextCheckpoint(): Promise<void> {
    await this.page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open('facenet');
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error as Error);
      });
      const idsOfChunks = (): Promise<Set<string>> =>
        new Promise((resolve) => {
          const request = database.transaction('chunks').objectStore('chunks').getAllKeys();
          request.onsuccess = () =>
            resolve(new Set(request.result.map((key) => (key as [string, number])[0])));
        });
      const before = await idsOfChunks();
      const records = database.transaction('checkpoints', 'readwrite').objectStore('checkpoints');
      // A transaction lives as long as there are requests.
      const keepAlive = (): void => {
        records.count().onsuccess = keepAlive;
      };
      keepAlive();
      while ([...(await idsOfChunks())].every((id) => before.has(id)))
        await new Promise((resolve) => setTimeout(resolve, 20));
    });
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

// Chromium's processes can be found only on Unix.
describe.skipIf(process.platform === 'win32')('a browser', () => {
  const profile = mkdtempSync(join(tmpdir(), 'facenet-faults-'));
  let server: StaticServer;
  let address: string;
  let session: Session;
  let data: DirectoryReference[];
  let undisturbed: [number, number][];
  let checkpointBytes: number;

  beforeAll(async () => {
    await ensureBuild({ quiet: true });
    server = await startStaticServer(distFolder, async () => false);
    address = `http://localhost:${server.port}/`;
    session = await Session.open(address, profile);
    data = [
      await session.call<DirectoryReference>('dataset', 'makeSampleFaces', {
        seed: 1,
        people: 3,
        photosPerPerson: 4,
      }),
    ];
    const { losses, events } = await session.train({ options: OPTIONS, data });
    undisturbed = losses;
    checkpointBytes = Math.max(
      ...events.flatMap((event) => (event.kind === 'checkpoint' ? [event.sizeBytes] : [])),
    );
    expect(undisturbed.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  afterAll(async () => {
    await session?.close().catch(() => undefined);
    await server?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });

  it('killed in the middle of a checkpoint: the run resumes from the one before', async () => {
    let held: Promise<void> | undefined;
    let isEnded = false;
    const killed = session.train({ options: OPTIONS, data }, (event) => {
      if (event.kind !== 'checkpoint' || held) return;
      expect(event.step).toBe(3);
      held = session.holdNextCheckpoint();
    });
    killed.catch(() => undefined).finally(() => (isEnded = true));
    await expect.poll(() => held !== undefined, { timeout: 120_000 }).toBe(true);
    await held;
    expect(isEnded).toBe(false);
    session.kill();
    await expect(killed).rejects.toThrow();

    const startedAt = performance.now();
    session = await Session.open(address, profile);
    expect(await session.unfinishedCheckpoints()).toBe(1);
    const [run] = await session.call<RunRecord[]>('library', 'listRuns');
    expect(run).toMatchObject({ status: 'interrupted' });
    let firstStepMs = 0;
    const { losses, events } = await session.train(
      { options: OPTIONS, data: [], resumeRunId: run!.id },
      (event) => {
        if (event.kind === 'step') firstStepMs ||= performance.now() - startedAt;
      },
    );
    console.log(
      `browser killed in a checkpoint: 3 of 6 steps lost, first step ${Math.round(firstStepMs)} ms after the browser's start`,
    );
    expect(losses).toEqual(undisturbed.slice(3));
    expect(events.at(-1)).toMatchObject({ kind: 'status', status: 'finished' });
    expect(await session.unfinishedCheckpoints()).toBe(0);
    const steps = await session.call<{ step: number; totalLoss: number }[]>('library', 'readSteps', run!.id);
    expect(steps.map(({ step, totalLoss }) => [step, totalLoss])).toEqual(undisturbed);
  });

  it('whose GPU process dies: the run resumes by itself', async () => {
    let killedAt = 0;
    let goesOnMs = 0;
    const { losses, events } = await session.train({ options: OPTIONS, data }, (event) => {
      if (event.kind === 'started' && killedAt > 0) goesOnMs = performance.now() - killedAt;
      if (event.kind !== 'step' || event.record.step !== 5 || killedAt > 0) return;
      killedAt = performance.now();
      session.kill('gpu-process');
    });
    const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
    console.log(`GPU process killed: the run goes on after ${Math.round(goesOnMs)} ms; ${warnings.at(-1)}`);
    expect(warnings.some((message) => /GPU was lost after step/.test(message))).toBe(true);
    expect(losses).toEqual(undisturbed);
    expect(events.filter(({ kind }) => kind === 'started')).toHaveLength(2);
  });

  it('whose quota is reached: the run continues, and says what could not be stored', async () => {
    // For half a minute the browser uses the last known quota. A new browser reads the quota.
    await session.close();
    session = await Session.open(address, profile);
    const devTools = await session.page.context().newCDPSession(session.page);
    const origin = new URL(address).origin;
    const { usage } = await devTools.send('Storage.getUsageAndQuota', { origin });
    // There is room for one and a half checkpoints.
    const quotaSize = usage + Math.round(1.5 * checkpointBytes);
    await devTools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
    const { losses, events } = await session.train({ options: OPTIONS, data });
    await devTools.send('Storage.overrideQuotaForOrigin', { origin });
    const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
    const stored = events.flatMap((event) => (event.kind === 'checkpoint' ? [event.step] : []));
    console.log(
      `quota for one checkpoint and a half: stored those of steps ${stored.join(', ')}; ${warnings.join(' ')}`,
    );
    expect(losses).toEqual(undisturbed);
    expect(events.at(-1)).toMatchObject({ kind: 'status', status: 'finished' });
    // How many fit depends on when the browser cleans up its files.
    expect(stored.length).toBeLessThan(3);
    expect(warnings.join(' ')).toMatch(/no room for a checkpoint/);
    expect(warnings.join(' ')).not.toMatch(/: {2}/);
    const { runId } = startOf(events);
    const kept = await session.call<{ step: number }[]>('library', 'listCheckpoints', runId);
    expect(kept.length).toBeLessThan(3);
    // With room again everything is stored again.
    const next = await session.train({ options: OPTIONS, data });
    expect(next.events.filter(({ kind }) => kind === 'checkpoint')).toHaveLength(3);
  });

  it('that freezes the page: the run continues when the page does', async () => {
    const FROZEN_MS = 3000;
    const devTools = await session.page.context().newCDPSession(session.page);
    const stepsWhileFrozen: number[] = [];
    let isFrozen = false;
    let thawed: Promise<void> | undefined;
    const freeze = async (): Promise<void> => {
      await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
      isFrozen = true;
      await new Promise((resolve) => setTimeout(resolve, FROZEN_MS));
      isFrozen = false;
      await devTools.send('Page.setWebLifecycleState', { state: 'active' });
    };
    const { losses, events } = await session.train({ options: OPTIONS, data }, (event) => {
      if (event.kind === 'step' && isFrozen) stepsWhileFrozen.push(event.record.step);
      if (event.kind === 'step' && event.record.step === 4) thawed ??= freeze();
    });
    await thawed;
    console.log(
      `page frozen for ${FROZEN_MS} ms: told of ${stepsWhileFrozen.length} steps meanwhile; none lost`,
    );
    expect(losses).toEqual(undisturbed);
    expect(events.at(-1)).toMatchObject({ kind: 'status', status: 'finished' });
    expect(events.filter(({ kind }) => kind === 'started')).toHaveLength(1);
  });
});

function startOf(events: readonly TrainEvent[]): { runId: string } {
  const started = events.find((event) => event.kind === 'started');
  return { runId: started!.run.id };
}

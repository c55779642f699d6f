/** A job control over a message channel, as between the page and a worker. */
import { expose, proxy, wrap, type Remote } from 'comlink';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import '../../../workers/rpc/job_control_transfer.ts';

interface Api {
  /** Works until its control is cancelled, and reports 'paused' and 'working'. */
  work(control: JobControl, onState: (state: string) => void): Promise<string>;
}

const api: Api = {
  async work(control, onState) {
    onState('working');
    while (!control.cancelled) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (!(await control.proceed())) break;
    }
    return 'cancelled';
  },
};

describe('a job control as an argument', () => {
  let channel: MessageChannel;
  let remote: Remote<Api>;
  beforeEach(() => {
    channel = new MessageChannel();
    expose(api, channel.port1);
    remote = wrap<Api>(channel.port2);
  });
  afterEach(() => {
    channel.port1.close();
    channel.port2.close();
  });

  function start(control: JobControl): { working: Promise<void>; ended: Promise<string> } {
    let ended!: Promise<string>;
    const working = new Promise<void>((resolve) => {
      ended = remote.work(
        control,
        proxy(() => resolve()),
      );
    });
    return { working, ended };
  }

  it('cancels its own job only', async () => {
    const [first, second] = [new JobControl(), new JobControl()];
    const [one, other] = [start(first), start(second)];
    await Promise.all([one.working, other.working]);
    let otherEnded = false;
    void other.ended.then(() => (otherEnded = true));
    first.cancel();
    expect(await one.ended).toBe('cancelled');
    expect(otherEnded).toBe(false);
    second.cancel();
    expect(await other.ended).toBe('cancelled');
  });

  it('is obeyed when it was cancelled before the call', async () => {
    const control = new JobControl();
    control.cancel();
    expect(await start(control).ended).toBe('cancelled');
  });

  it('ends a job that is paused', async () => {
    const control = new JobControl();
    const { working, ended } = start(control);
    await working;
    control.pause();
    control.resume();
    control.pause();
    control.cancel();
    expect(await ended).toBe('cancelled');
  });
});

it('passes the current state and then every command to a follower', () => {
  const control = new JobControl();
  control.pause();
  const commands: string[] = [];
  const end = control.follow((command) => commands.push(command));
  control.resume();
  control.cancel();
  end();
  control.cancel();
  expect(commands).toEqual(['pause', 'resume', 'cancel']);
});

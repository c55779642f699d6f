/**
 * Passes a job control as an argument of a comlink call. The worker gets its own control, which repeats every command.
 * Both sides import this module for its side effect. Each call has its own control, so no command can reach another
 * job.
 */
import { transferHandlers } from 'comlink';
import { JobControl, type JobCommand } from '../protocol/job_control.ts';

transferHandlers.set('job-control', {
  canHandle: (value): value is JobControl => value instanceof JobControl,
  serialize(control: JobControl) {
    const { port1, port2 } = new MessageChannel();
    control.follow((command) => port1.postMessage(command));
    return [port2, [port2]];
  },
  deserialize(port: MessagePort) {
    const control = new JobControl();
    port.addEventListener('message', ({ data }: MessageEvent<JobCommand>) => control.apply(data));
    port.start();
    return control;
  },
});

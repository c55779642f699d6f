/** Entry point: alignment and detection, one job at a time. */
import { expose } from 'comlink';
import { align } from './jobs/align_job.ts';
import { detect } from './jobs/detect_job.ts';
import { JobControl } from './jobs/job_control.ts';
import type { AlignWorkerApi } from './protocol.ts';
import { describeDevice } from './tfjs/device.ts';

let control = new JobControl();

const api: AlignWorkerApi = {
  describeDevice,
  align(request, onEvent) {
    control = new JobControl();
    return align(request, onEvent, control);
  },
  detect(input, options, backend, onRecord) {
    control = new JobControl();
    return detect(input, options, backend, onRecord, control);
  },
  pause: () => control.pause(),
  resume: () => control.resume(),
  cancel: () => control.cancel(),
};

expose(api);

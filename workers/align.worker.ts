/** Entry point: alignment and detection, one job at a time. */
import { expose } from 'comlink';
import { align } from './jobs/align/align_job.ts';
import { detect } from './jobs/align/detect_job.ts';
import { existingRecords, planOf } from './jobs/align/align_folders.ts';
import { removeFaces, setAside, takeBack, takeFace } from './jobs/align/face_decisions.ts';
import { JobControl } from './jobs/job_control.ts';
import { PhotoPool } from './jobs/photo_pool.ts';
import { FaceDetector } from './mtcnn/detector.ts';
import type { AlignWorkerApi } from './protocol/align.ts';
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
  plan(request) {
    control = new JobControl();
    return planOf(request, control.signal);
  },
  records: existingRecords,
  removeFaces,
  pause: () => control.pause(),
  resume: () => control.resume(),
  cancel: () => control.cancel(),
  takeFace,
  setAside,
  takeBack,
  async memory() {
    const [own, pool] = [FaceDetector.memory(), await PhotoPool.memory()];
    return {
      usedBytes: own.usedBytes + pool.usedBytes,
      allocatedBytes: own.allocatedBytes + pool.allocatedBytes,
    };
  },
};

expose(api);

/** Entry point: alignment and detection. */
import { expose } from 'comlink';
import { align } from './jobs/align/align_job.ts';
import { detect } from './jobs/align/detect_job.ts';
import { existingRecords, planOf } from './jobs/align/align_folders.ts';
import { removeFaces, setAside, takeBack, takeFace } from './jobs/align/face_decisions.ts';
import { PhotoPool } from './jobs/photo_pool.ts';
import { FaceDetector } from './detector/detector.ts';
import type { AlignWorkerApi } from './protocol/align/align.ts';
import { requireAlignOptions } from './protocol/align/limits.ts';
import './rpc/job_control_transfer.ts';
import { describeDevice } from './gpu/describe_device.ts';

const api: AlignWorkerApi = {
  describeDevice,
  async align(request, control, onEvent) {
    requireAlignOptions(request.options);
    return align(request, onEvent, control);
  },
  async detect(input, options, backend, control, onRecord) {
    requireAlignOptions(options);
    return detect(input, options, backend, onRecord, control);
  },
  plan: (request, control) => planOf(request, control.signal),
  records: existingRecords,
  removeFaces,
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

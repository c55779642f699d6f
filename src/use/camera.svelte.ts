/**
 * Who is in front of the camera. One picture after the other goes to the worker, which looks at it and lets go of it:
 * none is kept.
 */
import { transfer } from 'comlink';
import type { FrameFace } from '../../workers/protocol/use/identify.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { identifyWorker } from '../session/workers.ts';
import { MARGIN_PX } from './compare.svelte.ts';
import type { IdentifyState } from './identify.svelte.ts';
import type { UseJob } from './job.svelte.ts';
import type { UsedModel } from './used_model.svelte.ts';

export type CameraStatus = 'off' | 'preparing' | 'asking' | 'on';

export interface CameraDevice {
  readonly id: string;
  readonly label: string;
}

/** The longer side of the pictures that are looked at. */
const FRAME_PX = 640;
const WAIT_MS = 200;

export class CameraState {
  status = $state<CameraStatus>('off');
  problem = $state.raw<Problem | undefined>();
  stream = $state.raw<MediaStream | undefined>();
  /** Known once one was allowed. */
  devices = $state.raw<readonly CameraDevice[]>([]);
  deviceId = $state('');
  /** It looks at the person who sits before the screen: shown as in a mirror. */
  isMirrored = $state(true);
  faces = $state.raw<readonly FrameFace[]>([]);
  /** Of the pictures that the faces are on. */
  frame = $state.raw({ width: 0, height: 0 });
  framesPerSecond = $state(0);
  readonly #identify: IdentifyState;
  readonly #job: UseJob;
  readonly #model: UsedModel;

  constructor(identify: IdentifyState, job: UseJob, model: UsedModel) {
    this.#identify = identify;
    this.#job = job;
    this.#model = model;
  }

  get isOffered(): boolean {
    return navigator.mediaDevices?.getUserMedia !== undefined;
  }

  /** Asks for the camera, and for nothing else; needs a click. */
  async start(): Promise<void> {
    if (this.status !== 'off') return;
    this.problem = undefined;
    this.status = 'preparing';
    if (!(await this.#identify.prepare()) || this.#isOff) return this.stop();
    this.status = 'asking';
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: {
          width: { ideal: FRAME_PX },
          height: { ideal: (FRAME_PX * 3) / 4 },
          ...(this.deviceId ? { deviceId: { exact: this.deviceId } } : { facingMode: 'user' }),
        },
      });
      const [track] = stream.getVideoTracks();
      if (this.#isOff || !track) return stopTracks(stream);
      // The camera was unplugged, or taken away by the browser.
      track.addEventListener('ended', () => {
        if (this.stream !== stream) return;
        this.stop();
        this.problem = {
          name: 'CameraEndedError',
          message: 'The camera was disconnected. Connect it and start again.',
        };
      });
      const { deviceId = '', facingMode } = track.getSettings();
      this.deviceId = deviceId;
      this.isMirrored = facingMode !== 'environment';
      this.stream = stream;
      this.status = 'on';
      await this.#listDevices();
    } catch (error) {
      this.problem = cameraProblem(error);
      this.stop();
    }
  }

  async #listDevices(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices();
    this.devices = all
      .filter(({ kind, deviceId }) => kind === 'videoinput' && deviceId !== '')
      .map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `Camera ${index + 1}` }));
  }

  async use(deviceId: string): Promise<void> {
    this.stop();
    this.deviceId = deviceId;
    await this.start();
  }

  stop(): void {
    this.status = 'off';
    if (this.stream) stopTracks(this.stream);
    this.stream = undefined;
    this.faces = [];
    this.framesPerSecond = 0;
  }

  /** Looks at what the element shows, until the camera goes off. */
  async watch(video: HTMLVideoElement): Promise<void> {
    const { stream } = this;
    try {
      while (this.stream === stream && this.status === 'on') {
        await nextFrame(video);
        // While a job runs or the page is hidden, nobody looks.
        if (document.hidden || this.#job.isBusy || !hasPicture(video) || !this.#model.opened) {
          await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
          continue;
        }
        const startedAt = performance.now();
        const scale = Math.min(1, FRAME_PX / Math.max(video.videoWidth, video.videoHeight));
        const frame = await createImageBitmap(video, {
          resizeWidth: Math.round(video.videoWidth * scale),
          resizeHeight: Math.round(video.videoHeight * scale),
        });
        const { width, height } = frame;
        const faces = await identifyWorker.call((api) =>
          api.identifyFrame(transfer(frame, [frame]), MARGIN_PX),
        );
        if (this.stream !== stream) return;
        this.frame = { width, height };
        this.faces = faces;
        this.framesPerSecond = 1000 / (performance.now() - startedAt);
      }
    } catch (error) {
      if (this.stream !== stream) return;
      this.stop();
      this.problem = problemOf(error);
    }
  }

  /** It may have been switched off while something else was waited for. */
  get #isOff(): boolean {
    return this.status === 'off';
  }
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** A video knows its size before it has a picture to show. */
function hasPicture(video: HTMLVideoElement): boolean {
  return video.videoWidth > 0 && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
}

function nextFrame(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    // A video that stands still has no next frame.
    const timer = setTimeout(resolve, WAIT_MS);
    video.requestVideoFrameCallback?.(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const CAMERA_MESSAGES: Readonly<Record<string, string>> = {
  NotAllowedError:
    'This page may not use the camera. Allow it in the browser’s address bar (camera or lock icon), then start again.',
  NotFoundError: 'No camera was found. Connect one and start again, or use photos instead.',
  OverconstrainedError: 'This camera is no longer available. Choose another one, or start again.',
  NotReadableError: 'Another program is using the camera. Close that program, then start again.',
  SecurityError: 'The site that embeds this page does not allow it to use the camera.',
};

function cameraProblem(error: unknown): Problem | undefined {
  const known = error instanceof Error ? CAMERA_MESSAGES[error.name] : undefined;
  if (!known) return problemOf(error);
  console.warn(error);
  return { name: (error as Error).name, message: known };
}

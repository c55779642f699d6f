/** Entry point of a worker that runs one ONNX file with onnxruntime-web and is ended; see models/run_onnx_model.ts. */
import { expose, transfer } from 'comlink';
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { runOnnxModel, type OnnxInput } from './models/run_onnx_model.ts';

const api = {
  async run(file: Blob, input: OnnxInput): Promise<Float32Array> {
    const embeddings = await runOnnxModel(file, input, new URL(wasmUrl, import.meta.url).href);
    return transfer(embeddings, [embeddings.buffer as ArrayBuffer]);
  },
};

export type OnnxWorkerApi = typeof api;
expose(api);

/** A thread that reads Keras files and reports the result, like the page's worker. */
import { parentPort } from 'node:worker_threads';
import { KerasWeightsFile } from '../../workers/formats/keras_weights.ts';

parentPort!.on('message', (bytes: Uint8Array<ArrayBuffer>) => {
  void read(bytes).then((outcome) => parentPort!.postMessage(outcome));
});

async function read(bytes: Uint8Array<ArrayBuffer>): Promise<{ error?: string; message?: string }> {
  try {
    const file = await KerasWeightsFile.open(new Blob([bytes]), 'a.h5');
    await file.readAll(file.shapes.keys());
    return {};
  } catch (error) {
    const { name, message } = error as Error;
    return { error: name, message };
  }
}

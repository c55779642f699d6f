/** A model file without training: the smallest network with its initial values. */
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';

export interface UploadedFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

/** Its embeddings separate pictures, but hardly people. */
export async function smallModelFile(
  seed: number,
  name = `small-${seed}.safetensors`,
): Promise<UploadedFile> {
  const embeddingSize = 64;
  const graph = buildModel('squeezenet', { embeddingSize, classes: 0 });
  const blob = writeModelFile(initializeParameters(graph, seed), {
    model_def: 'squeezenet',
    embedding_size: embeddingSize,
    image_size: 96,
    use_fixed_image_standardization: true,
  });
  return {
    name,
    mimeType: 'application/octet-stream',
    buffer: Buffer.from(await blob.arrayBuffer()),
  };
}

/**
 * The PyTorch peer of the benchmark is the same network, with the same parameters, embeddings, losses and gradients.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { elementCount } from '../../../workers/protocol/tensor.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const script = here('../../../bench/engine/pytorch_step.py');
const fixture = here('../../../shared/fixtures/inception-resnet-v1.json');

/** PyTorch is not part of the project. If it is not installed, there is nothing to test. */
const python = [process.env.PYTHON, 'python3', '/usr/bin/python3'].find(
  (name) => name !== undefined && spawnSync(name, ['-c', 'import torch']).status === 0,
);

describe.skipIf(!python || !existsSync(fixture))('pytorch_step.py', () => {
  it('computes what the fixture holds', { timeout: 300_000 }, () => {
    const { status, stdout, stderr } = spawnSync(python!, [script, '--check', fixture], { encoding: 'utf8' });
    expect(stdout, stderr).toContain('{');
    const report = JSON.parse(stdout) as { parameters: number; agrees: boolean };
    expect(report).toMatchObject({ agrees: true });
    expect(status).toBe(0);
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 512, classes: 10 });
    const trainable = graph.parameters.filter((spec) => spec.trainable);
    expect(report.parameters).toBe(trainable.reduce((sum, { shape }) => sum + elementCount(shape), 0));
  });
});

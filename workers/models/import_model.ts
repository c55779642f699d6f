/**
 * From named tensors of any program to a model: the program is told from the names, the embedding size from the shape
 * of the Bottleneck, and everything is held against the network's description before a value is read. What maps, what
 * is missing and what is extra is a report that a person can see before the model is taken.
 *
 * Batch norms here have no gamma. One with gamma is the same at inference, exactly, as
 *   γ·(w·x − μ)/√(σ² + ε) + β = (γw·x − γμ)/√(σ² + ε) + β,
 * so weights and moving mean are multiplied by γ, the moving variance and beta stay (ε is 0.001 in all the programs
 * whose names are known). The products are made in float64 and rounded once. While such a model is trained on, batch
 * statistics replace the moving ones, and with them γ is gone: a training starts as with γ = ±1.
 */
import type { BatchNormNode, Conv2dNode, DenseNode, Graph } from '../compute/graph/ir.ts';
import { buildModel } from '../compute/graph/models/index.ts';
import { MODEL_NAMES } from '../protocol/train/networks.ts';
import type { HostTensor } from '../protocol/tensor.ts';
import type { ImportReport } from '../protocol/models/models.ts';
import type { StandardizationFact } from '../protocol/models/standardization.ts';
import { MissingParametersError, NotAModelError, ParameterShapeError, SharedTensorsError } from './errors.ts';
import type { LoadedModel } from './loaded_model.ts';
import { facenetPytorchNames } from './names/facenet_pytorch.ts';
import { kerasFacenetNames } from './names/keras_facenet.ts';
import {
  CLASSIFIER_BIASES,
  CLASSIFIER_WEIGHTS,
  foreignShape,
  fromForeign,
  type MakeNameTable,
  type NameTable,
} from './names/name_table.ts';
import { originalNames } from './names/original.ts';
import { checkAllValues, checkTensorValues, isVariance } from './parameter_values.ts';
import { standardizationByName, standardizationOfProgram } from './standardization.ts';
import type { TensorSource } from './tensor_source.ts';
import { shortText } from '../protocol/quoted.ts';

const NAMINGS: readonly MakeNameTable[] = [originalNames, facenetPytorchNames, kerasFacenetNames];
const DEFAULT_IMAGE_SIZE = 160;
const MAXIMUM_IMAGE_SIZE = 4096;
const MAXIMUM_EMBEDDING_SIZE = 65_536;
/** Of the network's parameters, so many must be there for a file to be a model with gaps instead of something else. */
const LEAST_SHARE = 0.1;

export interface OpenedImport {
  readonly report: ImportReport;
  /**
   * @throws MissingParametersError, ParameterShapeError, SharedTensorsError, ParameterNotFiniteError,
   *   NegativeVarianceError, and what reading the file throws
   */
  read(): Promise<LoadedModel>;
}

/** @throws NotAModelError where the names are of no known network */
export function openImport(source: TensorSource): OpenedImport {
  const { graph, table, prefix } = recognize(source);
  const nameIn = (foreign: string): string => prefix + foreign;
  const shapeOf = (foreign: string): readonly number[] | undefined => source.shapes.get(nameIn(foreign));
  const mapped: { parameter: string; source: string }[] = [];
  const missing: string[] = [];
  const wrongShapes: { parameter: string; expected: readonly number[]; found: readonly number[] }[] = [];
  const used = new Set<string>();
  for (const { name, shape } of graph.parameters) {
    const foreign = table.tensors.get(name)!;
    const found = shapeOf(foreign.name);
    if (!found) {
      missing.push(name);
      continue;
    }
    used.add(nameIn(foreign.name));
    const expected = foreignShape(shape, foreign.layout);
    if (found.join() === expected.join()) mapped.push({ parameter: name, source: nameIn(foreign.name) });
    else wrongShapes.push({ parameter: name, expected, found });
  }
  const gammas = presentGammas(graph, table, shapeOf, wrongShapes);
  for (const foreign of gammas.values()) used.add(nameIn(foreign));
  const classifier = classifierTensors(graph, table, shapeOf);
  for (const parameter of classifier) {
    const foreign = nameIn(table.tensors.get(parameter)!.name);
    used.add(foreign);
    mapped.push({ parameter, source: foreign });
  }
  const extra = [...source.shapes.keys()].filter((name) => {
    const own = name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
    return !used.has(name) && !(own !== undefined && table.isIgnored(own));
  });
  const imageSize = imageSizeOf(source, graph);
  const standardization =
    source.standardization ??
    standardizationByName([source.name, source.folder ?? '']) ??
    standardizationOfProgram(table.program);
  const notes = [
    `${source.name} is a ${source.kind} with the names of ${table.program}, read as ${graph.name} with embedding_size ${graph.embeddingSize} for images of ${imageSize} × ${imageSize} pixels.`,
    ...(gammas.size > 0
      ? ['The factors (gamma) of its batch norms are folded into the layers before them.']
      : []),
    ...(extra.length > 0
      ? [
          `${extra.length} tensors of ${source.name} are not used: ${extra
            .slice(0, 3)
            .map((name) => shortText(name))
            .join(', ')}${extra.length > 3 ? ', …' : ''}.`,
        ]
      : []),
  ];
  return {
    report: {
      file: source.name,
      kind: source.kind,
      program: table.program,
      model_def: graph.name,
      embedding_size: graph.embeddingSize,
      image_size: imageSize,
      standardization,
      total: graph.parameters.length,
      mapped,
      missing,
      wrongShapes,
      extra,
      foldedGammas: gammas.size,
      notes,
    },
    async read() {
      if (missing.length > 0)
        throw new MissingParametersError(source.name, graph.name, graph.parameters.length, missing);
      const [wrong] = wrongShapes;
      if (wrong) throw new ParameterShapeError(source.name, wrong.parameter, wrong.expected, wrong.found);
      checkRegions(source, used);
      const parameters = new Map<string, HostTensor>();
      const readChecked = async (foreign: string, holdsVariances: boolean): Promise<HostTensor> => {
        const tensor = await source.read(foreign);
        checkTensorValues(source.name, foreign, tensor, holdsVariances);
        return tensor;
      };
      for (const { parameter, source: foreign } of mapped)
        parameters.set(
          parameter,
          fromForeign(
            await readChecked(foreign, isVariance(parameter)),
            table.tensors.get(parameter)!.layout,
          ),
        );
      for (const [beta, foreign] of gammas)
        foldGamma(graph, parameters, beta, (await readChecked(nameIn(foreign), false)).data);
      // A product with a factor may leave what float32 holds.
      if (gammas.size > 0) checkAllValues(source.name, parameters);
      return {
        name: source.name.replace(/^.*\//, '').replace(/\.[^.]*$/, ''),
        graph,
        parameters,
        imageSize,
        ...settled(standardization),
        notes,
      };
    },
  };
}

/** What of a loaded model tells how its images are standardised. */
export function settled(
  fact: StandardizationFact | undefined,
): Pick<LoadedModel, 'useFixedImageStandardization' | 'standardizationBasis' | 'isStandardizationUnknown'> {
  return fact
    ? { useFixedImageStandardization: fact.value === 'fixed', standardizationBasis: fact.basis }
    : { useFixedImageStandardization: true, isStandardizationUnknown: true };
}

/** What the file says, where the network can use it. */
function imageSizeOf({ imageSize }: TensorSource, { minimumImageSize }: Graph): number {
  const isUsable =
    imageSize !== undefined &&
    Number.isInteger(imageSize) &&
    imageSize >= minimumImageSize &&
    imageSize <= MAXIMUM_IMAGE_SIZE;
  return isUsable ? imageSize : DEFAULT_IMAGE_SIZE;
}

export function importModel(source: TensorSource): Promise<LoadedModel> {
  return openImport(source).read();
}

interface Recognized {
  readonly graph: Graph;
  readonly table: NameTable;
  /** Before each of the file's names, such as `module.` of a model that was trained on several processors. */
  readonly prefix: string;
}

/** The network and naming with most of its names in the file. */
function recognize(source: TensorSource): Recognized {
  let best: Recognized | undefined;
  let bestCount = 0;
  for (const modelDef of MODEL_NAMES)
    for (const naming of NAMINGS) {
      // The names do not depend on the embedding size.
      const probe = naming(buildModel(modelDef, { embeddingSize: 1, classes: 0 }));
      const bottleneck = [...probe.tensors].find(([name]) => name.endsWith('/Bottleneck/weights'))?.[1];
      if (!bottleneck) continue;
      const found = [...source.shapes].find(([name]) => name.endsWith(bottleneck.name));
      if (!found) continue;
      const prefix = found[0].slice(0, -bottleneck.name.length);
      const [, embeddingSize = 0] = bottleneck.layout === 'OI' ? [...found[1]].reverse() : found[1];
      const count = [...probe.tensors.values()].filter(({ name }) => source.shapes.has(prefix + name)).length;
      if (embeddingSize < 1 || embeddingSize > MAXIMUM_EMBEDDING_SIZE || count <= bestCount) continue;
      if (count < probe.tensors.size * LEAST_SHARE) continue;
      const graph = buildModel(modelDef, { embeddingSize, classes: 0 });
      best = { graph, table: naming(graph), prefix };
      bestCount = count;
    }
  if (best) return best;
  const examples = [...source.shapes.keys()].slice(0, 3).map((name) => shortText(name));
  throw new NotAModelError(
    source.name,
    `is a ${source.kind}, but none of the known networks: it has ${source.shapes.size} tensors${examples.length > 0 ? `, such as ${examples.join(', ')}` : ''}`,
  );
}

/** By the batch norm's beta. */
function presentGammas(
  graph: Graph,
  table: NameTable,
  shapeOf: (foreign: string) => readonly number[] | undefined,
  wrongShapes: { parameter: string; expected: readonly number[]; found: readonly number[] }[],
): Map<string, string> {
  const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
  const present = new Map<string, string>();
  for (const [beta, foreign] of table.gammas) {
    const found = shapeOf(foreign);
    if (!found) continue;
    const expected = shapes.get(beta)!;
    if (found.join() === expected.join()) present.set(beta, foreign);
    else wrongShapes.push({ parameter: beta.replace(/beta$/, 'gamma'), expected, found });
  }
  return present;
}

/** The classifier's two tensors, where they are there and fit the embeddings and each other. */
function classifierTensors(
  graph: Graph,
  table: NameTable,
  shapeOf: (foreign: string) => readonly number[] | undefined,
): string[] {
  const weights = table.tensors.get(CLASSIFIER_WEIGHTS);
  const biases = table.tensors.get(CLASSIFIER_BIASES);
  const count = biases && shapeOf(biases.name);
  if (!weights || count?.length !== 1) return [];
  const expected = foreignShape([graph.embeddingSize, count[0]!], weights.layout);
  return shapeOf(weights.name)?.join() === expected.join() ? [CLASSIFIER_WEIGHTS, CLASSIFIER_BIASES] : [];
}

/** @throws SharedTensorsError */
function checkRegions({ name: file, regionOf }: TensorSource, used: ReadonlySet<string>): void {
  if (!regionOf) return;
  const inOrder = [...used]
    .map((name) => ({ name, ...regionOf(name) }))
    .filter(({ start, end }) => start < end)
    .sort((a, b) => (a.storage === b.storage ? a.start - b.start : a.storage < b.storage ? -1 : 1));
  for (const [at, { name, storage, start }] of inOrder.entries()) {
    const before = inOrder[at - 1];
    if (before?.storage === storage && start < before.end)
      throw new SharedTensorsError(file, before.name, name);
  }
}

/** Changes weights and moving mean so that the batch norm needs no gamma. */
function foldGamma(
  graph: Graph,
  parameters: Map<string, HostTensor>,
  beta: string,
  gamma: Float32Array,
): void {
  if (gamma.every((factor) => factor === 1)) return;
  const norm = graph.nodes.find(
    (node): node is BatchNormNode => node.kind === 'batch_norm' && node.beta === beta,
  )!;
  const layer = graph.nodes.find(
    (node): node is Conv2dNode | DenseNode =>
      (node.kind === 'conv2d' || node.kind === 'dense') && node.name === norm.input,
  )!;
  for (const name of [layer.weights, norm.movingMean]) {
    const { shape, data } = parameters.get(name)!;
    // The channels are the last axis.
    parameters.set(name, { shape, data: data.map((value, i) => value * gamma[i % gamma.length]!) });
  }
}

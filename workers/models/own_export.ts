/** Exports of this program are whole or refused: what there is to say of one before it is taken. */
import { foldedGraph } from '../compute/graph/fold_batch_norm.ts';
import type { ImportReport } from '../protocol/models/models.ts';
import { standardizationOf, type StandardizationFact } from '../protocol/models/standardization.ts';
import type { LoadedModel } from './loaded_model.ts';

/** How a model's standardisation is known where its own metadata state it. */
export const AS_STATED = 'as stated in its file';

/** For the person, of exports whose batch norms are folded. */
export const FOLDED_NOTE = 'Its batch norms were folded into the layers before them when it was exported.';

/** What a loaded model's file says of its images. */
export function factOf({
  useFixedImageStandardization: isFixed,
  standardizationBasis: basis = AS_STATED,
  isStandardizationUnknown,
}: LoadedModel): StandardizationFact | undefined {
  return isStandardizationUnknown ? undefined : { value: standardizationOf(isFixed), basis };
}

export function ownExportReport(model: LoadedModel, file: string, kind: string): ImportReport {
  const { graph, notes = [] } = model;
  const { parameters } = foldedGraph(graph);
  return {
    file,
    kind,
    program: 'this program',
    model_def: graph.name,
    embedding_size: graph.embeddingSize,
    image_size: model.imageSize,
    standardization: factOf(model),
    total: parameters.length,
    mapped: parameters.map(({ name }) => ({ parameter: name, source: name })),
    missing: [],
    wrongShapes: [],
    extra: [],
    foldedGammas: 0,
    notes,
  };
}

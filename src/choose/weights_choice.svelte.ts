/** Which of the values that a run holds are used: those of one of its checkpoints, or their moving averages. */
import type { ModelReference } from '../../workers/protocol/models/models.ts';
import type { CheckpointSummary, RunRecord } from '../../workers/protocol/train/runs.ts';

export type CheckpointChoice = 'newest' | 'best' | number;

export class WeightsChoice {
  checkpoint = $state<CheckpointChoice>('newest');
  useMovingAverages = $state(false);

  reference(runId: string): ModelReference {
    const { checkpoint, useMovingAverages } = this;
    return { kind: 'run', runId, step: checkpoint === 'newest' ? undefined : checkpoint, useMovingAverages };
  }

  /** Of another run, or of one whose checkpoints have changed: what is not there any more is not chosen. */
  keepTo(checkpoints: readonly CheckpointSummary[], run: RunRecord): void {
    const { checkpoint } = this;
    const step = checkpoint === 'best' ? run.best?.step : checkpoint;
    if (step !== 'newest' && !checkpoints.some((one) => one.step === step)) this.checkpoint = 'newest';
  }

  reset(): void {
    this.checkpoint = 'newest';
    this.useMovingAverages = false;
  }

  /** In words; empty for the newest values themselves. */
  get titles(): string[] {
    const { checkpoint } = this;
    return [
      ...(checkpoint === 'newest' ? [] : [checkpoint === 'best' ? 'best' : `step ${checkpoint}`]),
      ...(this.useMovingAverages ? ['moving averages'] : []),
    ];
  }
}

export function hasMovingAverages({ options }: RunRecord): boolean {
  return options.moving_average_decay > 0;
}

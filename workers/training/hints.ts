/**
 * What a run's curves are known to mean. Each hint is something that a person who has trained before would say at a
 * glance; none of them stops a run.
 */
import type { CourseState } from '../protocol/charts.ts';
import type { ValidationRecord } from '../protocol/runs.ts';

export interface Hint {
  readonly kind: 'not-finite' | 'guessing' | 'overfitting' | 'validation-rises' | 'data-wait';
  readonly severity: 'warning' | 'info';
  readonly title: string;
  /** What it means and what to try. */
  readonly message: string;
}

export interface HintFacts {
  readonly state: CourseState;
  readonly classCount: number;
  readonly epochSize: number;
  readonly validations: readonly ValidationRecord[];
}

/** Of guessing's loss: nearer than this, nothing has been learned. */
const GUESSING_MARGIN = 0.05;
/** Before this many steps every run still guesses. */
const GUESSING_STEPS = 300;
/** How much better on the images it trains on than on those it does not is more than chance. */
const ACCURACY_GAP = 0.25;
/** How far the validation's loss has risen above its lowest. */
const RISE = 1.15;
const VALIDATIONS_FOR_A_RISE = 4;
const DATA_WAIT_SHARE = 0.2;
const DATA_WAIT_STEPS = 20;

/** @returns those that apply, the gravest first */
export function hintsOf(facts: HintFacts): Hint[] {
  return [notFinite, guessing, overfitting, validationRises, dataWait].flatMap((rule) => {
    const hint = rule(facts);
    return hint ? [hint] : [];
  });
}

function notFinite({ state: { firstNotFinite } }: HintFacts): Hint | undefined {
  if (firstNotFinite === undefined) return undefined;
  return {
    kind: 'not-finite',
    severity: 'warning',
    title: `The loss is no number from step ${firstNotFinite} on`,
    message:
      'The steps were too large and the network’s values ran away; they do not come back. Start anew with a learning rate that is five to ten times smaller, or with ADAM in place of another optimizer.',
  };
}

function guessing({ state, classCount, epochSize }: HintFacts): Hint | undefined {
  const guess = Math.log(classCount);
  const isLate = state.stepCount >= Math.max(GUESSING_STEPS, epochSize);
  const isNear = state.recentCrossEntropy >= guess * (1 - GUESSING_MARGIN);
  if (!isLate || !isNear || state.firstNotFinite !== undefined) return undefined;
  return {
    kind: 'guessing',
    severity: 'warning',
    title: 'Nothing is learned yet',
    message: `After ${state.stepCount} steps the cross entropy is ${state.recentCrossEntropy.toFixed(2)}, and guessing among ${classCount} people gives ln(${classCount}) = ${guess.toFixed(2)}. Large sets of people may need some epochs before it falls; otherwise try a learning rate ten times smaller, and look whether the faces are aligned and each folder holds one person.`,
  };
}

function overfitting({ state, validations }: HintFacts): Hint | undefined {
  const last = validations.at(-1);
  if (!last || state.recentAccuracy - last.accuracy < ACCURACY_GAP) return undefined;
  return {
    kind: 'overfitting',
    severity: 'info',
    title: 'Much better on its own images than on others',
    message: `It names ${percent(state.recentAccuracy)} of the images that it trains on and ${percent(last.accuracy)} of those kept aside. It learns photos by heart: more photos a person help most, then random crop and mirror, a smaller share kept by dropout, and more weight decay.`,
  };
}

function validationRises({ validations }: HintFacts): Hint | undefined {
  if (validations.length < VALIDATIONS_FOR_A_RISE) return undefined;
  const best = validations.reduce((least, one) => (one.crossEntropy < least.crossEntropy ? one : least));
  const last = validations.at(-1)!;
  if (!(last.crossEntropy > RISE * best.crossEntropy)) return undefined;
  return {
    kind: 'validation-rises',
    severity: 'info',
    title: 'The validation has been better before',
    message: `Its cross entropy was lowest after epoch ${best.epoch} (${best.crossEntropy.toFixed(2)}) and is ${last.crossEntropy.toFixed(2)} now. More epochs at this learning rate are likely to make the model worse: lower the rate earlier, or stop earlier.`,
  };
}

function dataWait({ state }: HintFacts): Hint | undefined {
  if (state.stepCount < DATA_WAIT_STEPS || !(state.recentDataWaitShare > DATA_WAIT_SHARE)) return undefined;
  return {
    kind: 'data-wait',
    severity: 'info',
    title: 'Training waits for images',
    message: `${percent(state.recentDataWaitShare)} of the time is spent waiting for images to be read and decoded. More decoding workers (nrof_preprocess_threads) help where the processor has cores left; photos on a slow disk or a network drive are better copied first.`,
  };
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

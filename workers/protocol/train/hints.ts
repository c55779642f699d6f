/**
 * What a run's curves are known to mean. Each hint is something that a person who has trained before would say at a
 * glance; none of them stops a run.
 */
import type { CourseState } from './charts.ts';
import type { ValidationRecord } from './runs.ts';
import { formatShare } from '../format_share.ts';
import { isGuessedAccuracy } from '../evaluate/verdicts.ts';

export interface Hint {
  readonly kind:
    'not-finite' | 'guessing' | 'validation-guesses' | 'overfitting' | 'validation-rises' | 'data-wait';
  readonly severity: 'warning' | 'info';
  readonly title: string;
  /** What it means and what to try. */
  readonly message: string;
}

export interface HintFacts {
  readonly state: CourseState;
  readonly classCount: number;
  readonly epochSize: number;
  /** Steps of the whole run, also those still to come: what is late in a short run is early in a long one. */
  readonly totalSteps: number;
  /** No further steps come: finished, stopped, failed or interrupted. */
  readonly hasEnded: boolean;
  readonly validations: readonly ValidationRecord[];
}

/** Of guessing's loss: nearer than this, nothing has been learned. */
const GUESSING_MARGIN = 0.05;
/** Before this many steps every run still guesses; half of a run that has fewer than twice as many. */
const GUESSING_STEPS = 300;
/** How much better on the images it trains on than on those it does not is more than chance. */
const ACCURACY_GAP = 0.25;
/** How far the validation's loss has risen above its lowest. */
const RISE = 1.15;
/** Fewer where a run has fewer epochs. */
const VALIDATIONS_FOR_A_RISE = 4;
const DATA_WAIT_SHARE = 0.2;
/** The first images always have to be waited for. */
const DATA_WAIT_STEPS = 20;

/** @returns those that apply, the gravest first */
export function hintsOf(facts: HintFacts): Hint[] {
  return [notFinite, guessing, validationGuesses, overfitting, validationRises, dataWait].flatMap((rule) => {
    const hint = rule(facts);
    return hint ? [hint] : [];
  });
}

/** The steps after which a rule speaks: those of a long run, or half of a short one. */
function scaled(steps: number, { totalSteps }: HintFacts): number {
  return Math.min(steps, Math.ceil(totalSteps / 2));
}

/** Late enough for a network that still guesses to be worth a word. */
function isLate(facts: HintFacts): boolean {
  const { state, epochSize, hasEnded } = facts;
  if (hasEnded) return state.stepCount > 0;
  return state.stepCount >= Math.max(scaled(GUESSING_STEPS, facts), epochSize);
}

function notFinite({ state: { firstNotFinite } }: HintFacts): Hint | undefined {
  if (firstNotFinite === undefined) return undefined;
  return {
    kind: 'not-finite',
    severity: 'warning',
    title: `Training diverged at step ${firstNotFinite}`,
    message:
      'From this step on the loss is not a number. The steps were too large, and the network cannot recover. Start a new run with a learning rate that is five to ten times smaller, or with the optimizer ADAM.',
  };
}

function isNearGuessing(crossEntropy: number, classCount: number): boolean {
  return crossEntropy >= Math.log(classCount) * (1 - GUESSING_MARGIN);
}

function doesTrainingGuess(facts: HintFacts): boolean {
  const { state, classCount } = facts;
  return (
    isLate(facts) &&
    state.firstNotFinite === undefined &&
    isNearGuessing(state.recentCrossEntropy, classCount)
  );
}

function guessing(facts: HintFacts): Hint | undefined {
  if (!doesTrainingGuess(facts)) return undefined;
  const { state, classCount, hasEnded } = facts;
  const figures = `After ${state.stepCount} steps the cross entropy is ${state.recentCrossEntropy.toFixed(2)}, and guessing among ${classCount} people would give ln(${classCount}) = ${Math.log(classCount).toFixed(2)}.`;
  const advice =
    'try a learning rate ten times smaller, and check that the faces are aligned and that every folder contains one person.';
  return {
    kind: 'guessing',
    severity: 'warning',
    title: hasEnded ? 'The model learned nothing' : 'The model has learned nothing yet',
    message: hasEnded
      ? `${figures} Train for more epochs. If that does not help, ${advice}`
      : `${figures} With many people this can take a few epochs. Otherwise ${advice}`,
  };
}

/** The training's own loss may fall while nothing of it holds for other images. */
function validationGuesses(facts: HintFacts): Hint | undefined {
  const { classCount, validations } = facts;
  const last = validations.at(-1);
  if (!last || !isLate(facts) || doesTrainingGuess(facts)) return undefined;
  if (!isNearGuessing(last.crossEntropy, classCount) || !isGuessedAccuracy(last.accuracy, classCount))
    return undefined;
  return {
    kind: 'validation-guesses',
    severity: 'warning',
    title: 'No better than guessing on new images',
    message: `The model recognises ${percent(last.accuracy)} of the validation images; guessing among ${classCount} people would give ${percent(1 / classCount)}. Its cross entropy is ${last.crossEntropy.toFixed(2)}; guessing would give ${Math.log(classCount).toFixed(2)}. Train for more epochs, add photos of each person, or start from a model that already knows faces.`,
  };
}

function overfitting({ state, validations }: HintFacts): Hint | undefined {
  const last = validations.at(-1);
  if (!last || !(state.recentAccuracy - last.accuracy >= ACCURACY_GAP)) return undefined;
  return {
    kind: 'overfitting',
    severity: 'info',
    title: 'Overfitting: much better on training images than on validation images',
    message: `The model recognises ${percent(state.recentAccuracy)} of the training images but only ${percent(last.accuracy)} of the validation images. It is memorising your photos. More photos per person help most. Random cropping and mirroring, a lower keep probability and more weight decay also help.`,
  };
}

function validationRises({ validations, totalSteps, epochSize }: HintFacts): Hint | undefined {
  const epochCount = Math.ceil(totalSteps / epochSize);
  if (validations.length < Math.max(2, Math.min(VALIDATIONS_FOR_A_RISE, epochCount))) return undefined;
  const best = validations.reduce((least, one) => (one.crossEntropy < least.crossEntropy ? one : least));
  const last = validations.at(-1)!;
  if (!(last.crossEntropy > RISE * best.crossEntropy)) return undefined;
  return {
    kind: 'validation-rises',
    severity: 'info',
    title: 'Validation was better earlier',
    message: `The validation cross entropy was lowest after epoch ${best.epoch} (${best.crossEntropy.toFixed(2)}) and is ${last.crossEntropy.toFixed(2)} after epoch ${last.epoch}. More epochs at this learning rate will probably make the model worse. Lower the learning rate earlier, or stop earlier.`,
  };
}

function dataWait(facts: HintFacts): Hint | undefined {
  const { state } = facts;
  if (state.stepCount < scaled(DATA_WAIT_STEPS, facts) || !(state.recentDataWaitShare > DATA_WAIT_SHARE))
    return undefined;
  return {
    kind: 'data-wait',
    severity: 'info',
    title: 'Training waits for images',
    message: `The last ${state.recentSteps} steps spent ${percent(state.recentDataWaitShare)} of their time waiting for images to be read and decoded. More decoding workers (nrof_preprocess_threads) help if there are idle CPU cores. If the photos are on a slow disk or a network drive, copy them to a fast disk first.`,
  };
}

function percent(share: number): string {
  return formatShare(share, 0);
}

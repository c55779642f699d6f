/** The few values that change from step to step, in one uniform. */

/** The uniform as WGSL declares it; kernels bind it as `step: Step`. */
export const STEP_STRUCT = `struct Step {
  rate: f32,
  average_rate: f32,
  dropout_key: u32,
  count: u32,
  stored_height: u32,
  stored_width: u32,
}`;

export const STEP_FLOATS = 8;

export interface StepValues {
  /** The learning rate; for ADAM, including its bias correction. */
  readonly rate: number;
  /** 1 − decay of the exponential moving average at this step. */
  readonly averageRate: number;
  readonly dropoutKey: number;
  /** Number of images in the batch; rows after them are ignored. */
  readonly count: number;
  readonly storedHeight: number;
  readonly storedWidth: number;
}

export function encodeStepValues(values: StepValues): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(STEP_FLOATS);
  const floats = new Float32Array(words.buffer);
  floats[0] = values.rate;
  floats[1] = values.averageRate;
  words[2] = values.dropoutKey;
  words[3] = values.count;
  words[4] = values.storedHeight;
  words[5] = values.storedWidth;
  return words;
}

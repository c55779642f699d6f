/**
 * Finds the last logged steps in the event files of a folder, so that a resumed run can add what is missing. The files
 * are read like in TensorBoard: in the order of their names. A session that begins at a step discards that step and
 * later ones from the files before. Damage ends a file.
 */
import {
  bytesOfField,
  FieldBudget,
  protobufFields,
  ProtobufError,
  sizeOf,
  textOf,
} from './protobuf_reader.ts';
import { maskedCrc32c } from './tensorboard_events.ts';

/** SessionLog.status (tensorflow/core/util/event.proto). */
const START = 1;
const HEADER_BYTES = 12;
const CHECKSUM_BYTES = 4;

/** The last step with a value, for each tag. */
export type LoggedSteps = Map<string, number>;

/** Adds the steps of a file. Only one record is in memory at a time. */
export function addLoggedSteps(logged: LoggedSteps, file: Uint8Array): void {
  try {
    for (const record of recordsOf(file)) addEvent(logged, record);
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
  }
}

/** The TFRecord frames up to the first damaged or incomplete one. */
function* recordsOf(file: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at + HEADER_BYTES <= file.length;) {
    if (view.getUint32(at + 8, true) !== maskedCrc32c(file.subarray(at, at + 8))) return;
    const length = Number(view.getBigUint64(at, true));
    const end = at + HEADER_BYTES + length;
    if (end + CHECKSUM_BYTES > file.length) return;
    const data = file.subarray(at + HEADER_BYTES, end);
    if (view.getUint32(end, true) !== maskedCrc32c(data)) return;
    yield data;
    at = end + CHECKSUM_BYTES;
  }
}

/** Event { step = 2, summary = 5, session_log = 7 }, Summary { value = 1 }, Value { tag = 1 } */
function addEvent(logged: LoggedSteps, event: Uint8Array): void {
  let step = 0;
  const tags: string[] = [];
  let isStart = false;
  // One budget per event, because a long run has millions of events.
  const budget = new FieldBudget();
  for (const field of protobufFields(event, budget)) {
    if (field.number === 2) step = sizeOf(field);
    if (field.number === 5) for (const tag of tagsOf(bytesOfField(field), budget)) tags.push(tag);
    if (field.number === 7)
      for (const status of protobufFields(bytesOfField(field), budget))
        isStart ||= status.number === 1 && sizeOf(status) === START;
  }
  if (isStart) for (const [tag, last] of logged) if (last >= step) logged.set(tag, step - 1);
  for (const tag of tags) logged.set(tag, Math.max(step, logged.get(tag) ?? 0));
}

function* tagsOf(summary: Uint8Array, budget: FieldBudget): Generator<string> {
  for (const value of protobufFields(summary, budget))
    if (value.number === 1)
      for (const field of protobufFields(bytesOfField(value), budget))
        if (field.number === 1) yield textOf(field);
}

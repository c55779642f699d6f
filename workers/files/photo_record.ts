/**
 * The record of the faces that an alignment made from a photo, as text: a line of `alignment_NNNNN.jsonl`, and the
 * same inside the photo's first face. Later runs read the file. The text in the face is written together with the
 * face, so nothing is lost if a run is killed before it adds the line.
 */
import * as v from 'valibot';
import { pngText, withPngText } from './images/png_text.ts';
import { FACE_ALIGNMENTS } from '../protocol/align/alignment.ts';
import type { AlignOptions } from '../protocol/align/align.ts';
import type { AlignSettings, PhotoRecord } from '../protocol/align/align_record.ts';

const PNG_KEYWORD = 'facenet-alignment';

const numbers = v.array(v.number());
const four = v.strictTuple([v.number(), v.number(), v.number(), v.number()]);
const Settings = v.object({
  image_size: v.number(),
  margin: v.number(),
  alignment: v.optional(v.picklist(FACE_ALIGNMENTS)),
  detect_multiple_faces: v.boolean(),
  minsize: v.number(),
  thresholds: v.strictTuple([v.number(), v.number(), v.number()]),
  factor: v.number(),
});
const Face = v.object({ box: four, score: v.number(), landmarksX: numbers, landmarksY: numbers });
const Output = v.object({ path: v.string(), sizeBytes: v.number(), face: v.number(), box: four });
const PhotoLine = v.object({
  photo: v.string(),
  sizeBytes: v.number(),
  modifiedMs: v.number(),
  sha256: v.string(),
  width: v.number(),
  height: v.number(),
  faces: v.array(Face),
  outputs: v.pipe(v.array(Output), v.minLength(1)),
  isByHand: v.optional(v.boolean(), false),
});
const SettingsLine = v.object({ version: v.literal(1), settings: Settings });
const ElsewhereLine = v.object({ madeElsewhere: v.object({ path: v.string(), sizeBytes: v.number() }) });
const SamePhotoLine = v.object({
  samePhoto: v.object({ face: v.string(), photo: v.string(), modifiedMs: v.number() }),
});
const InPicture = v.object({ ...SettingsLine.entries, ...PhotoLine.entries });

/** A face that existed before, made by another program or an earlier version. */
export interface FaceMadeElsewhere {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The photo of a face has another name or modification time than its record, but the same content. */
export interface SamePhoto {
  /** The photo's first face. */
  readonly face: string;
  readonly photo: string;
  readonly modifiedMs: number;
}

const RECORD_PATH = /^alignment_(\d{5}|by_hand)\.jsonl$/;
/** The file for decisions of a person. */
export const BY_HAND_PATH = 'alignment_by_hand.jsonl';

export function isRecordPath(path: string): boolean {
  return RECORD_PATH.test(path);
}

export function settingsOf({
  image_size,
  margin,
  alignment = 'box',
  detect_multiple_faces,
  minsize,
  thresholds,
  factor,
}: AlignOptions | AlignSettings): AlignSettings {
  // Records of earlier versions do not name the alignment by boxes.
  const cut = alignment === 'box' ? { margin } : { margin: 0, alignment };
  return { image_size, ...cut, detect_multiple_faces, minsize, thresholds, factor };
}

export function areSameSettings(a: AlignSettings, b: AlignSettings): boolean {
  return JSON.stringify(settingsOf(a)) === JSON.stringify(settingsOf(b));
}

/** Writes the lines of one run's file. Settings come before the photos that were aligned with them. */
export class RecordLines {
  #settings: string | undefined;

  /** The first line, which shows that the faces of this folder have records. */
  begin(settings: AlignSettings): string {
    return this.#withSettings(settings);
  }

  photo({ settings, ...record }: PhotoRecord): string {
    return this.#withSettings(settings) + `${JSON.stringify(rounded(record))}\n`;
  }

  madeElsewhere(face: FaceMadeElsewhere): string {
    return `${JSON.stringify({ madeElsewhere: face })}\n`;
  }

  samePhoto(samePhoto: SamePhoto): string {
    return `${JSON.stringify({ samePhoto })}\n`;
  }

  #withSettings(settings: AlignSettings): string {
    const line = `${JSON.stringify({ version: 1, settings: settingsOf(settings) })}\n`;
    if (line === this.#settings) return '';
    this.#settings = line;
    return line;
  }
}

export interface RecordVisitor {
  onPhoto(record: PhotoRecord): void;
  onMadeElsewhere?(face: FaceMadeElsewhere): void;
  onSamePhoto?(same: SamePhoto): void;
}

/** Streams a file of records. Lines that are not records (such as an incomplete last line) are skipped. */
export async function readRecordLines(content: Blob, visitor: RecordVisitor): Promise<void> {
  let settings: AlignSettings | undefined;
  for await (const line of linesOf(content)) {
    const value = parsed(line);
    const photo = v.safeParse(PhotoLine, value);
    if (photo.success) {
      if (settings) visitor.onPhoto({ ...photo.output, settings });
      continue;
    }
    const newSettings = v.safeParse(SettingsLine, value);
    if (newSettings.success) settings = newSettings.output.settings;
    const elsewhere = v.safeParse(ElsewhereLine, value);
    if (elsewhere.success) visitor.onMadeElsewhere?.(elsewhere.output.madeElsewhere);
    const same = v.safeParse(SamePhotoLine, value);
    if (same.success) visitor.onSamePhoto?.(same.output.samePhoto);
  }
}

async function* linesOf(content: Blob): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = content.stream().getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }))).split('\n');
    rest = lines.pop()!;
    yield* lines;
    if (done) break;
  }
  if (rest !== '') yield rest;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** @returns the face's file with the record inside. The sizes of files are not known yet and stay 0 */
export function withRecord(file: Uint8Array<ArrayBuffer>, record: PhotoRecord): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify({ version: 1, ...rounded(record), settings: settingsOf(record.settings) });
  return withPngText(file, PNG_KEYWORD, text);
}

/** @returns the record inside an aligned face; undefined if there is none */
export async function recordInside(face: Blob): Promise<PhotoRecord | undefined> {
  const text = pngText(new Uint8Array(await face.arrayBuffer()), PNG_KEYWORD);
  const record = text === undefined ? undefined : v.safeParse(InPicture, parsed(text));
  if (!record?.success) return undefined;
  const { version: _, ...found } = record.output;
  return found;
}

/** Rounds to four decimals of a pixel, like the records of `detect`. */
function rounded<Record extends Pick<PhotoRecord, 'faces'>>(record: Record): Record {
  const round = (value: number): number => Number(value.toFixed(4));
  return {
    ...record,
    faces: record.faces.map(({ box, score, landmarksX, landmarksY }) => ({
      box: box.map(round),
      score: Number(score.toFixed(6)),
      landmarksX: landmarksX.map(round),
      landmarksY: landmarksY.map(round),
    })),
  };
}

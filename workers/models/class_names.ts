/**
 * The names of the people that a model was trained on. A model that leaves the machine goes without them, unless the
 * person asks for them; a checksum stays, by which a training tells whether the classifier is of the same people. It
 * has 32 bits: the names cannot be made of it.
 */
import { crc32 } from '../common/crc32.ts';
import type { ModelMetadata } from './metadata.ts';

export function classNamesChecksum(names: readonly string[]): string {
  return crc32(new TextEncoder().encode(names.join('\n')))
    .toString(16)
    .padStart(8, '0');
}

/** What is said of the people without naming them. */
export function withoutClassNames(metadata: ModelMetadata): ModelMetadata {
  const { class_names: names, ...rest } = metadata;
  return names === undefined
    ? metadata
    : { ...rest, class_count: names.length, class_names_checksum: classNamesChecksum(names) };
}

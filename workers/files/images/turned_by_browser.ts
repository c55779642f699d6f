/**
 * Whether this browser applies EXIF orientation when it decodes a format. This differs between browsers and versions
 * (Chromium applies it to JPEG and PNG, not to WebP), so it is tested once, with a picture of 2 × 1 pixels and a
 * rotation of 90°.
 */
import type { ImageKind } from './structure/image_structure.ts';

/** A lossless WebP of 2 × 1 pixels with EXIF orientation 6. */
const WEBP =
  'UklGRlAAAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TA8AAAAvAQAAAAcQ/Y/+ByKi/wEARVhJRhoAAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA==';
/** A PNG of 2 × 1 pixels with EXIF orientation 6 in an eXIf chunk. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAPSURBVHicY/zPwMDAwAAABggBActHdnUAAAAASUVORK5CYII=';
/** The same with the chunk after the pixels. */
const PNG_BEHIND =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP8z8DAwMAAAAYIAQHLR3Z1AAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAASUVORK5CYII=';

/** Formats, and places of the orientation in them, that browsers treat differently. */
export type OrientationPlace = ImageKind | 'png, behind its pixels';

const PROBES: Partial<Record<OrientationPlace, { readonly type: string; readonly base64: string }>> = {
  webp: { type: 'image/webp', base64: WEBP },
  png: { type: 'image/png', base64: PNG },
  'png, behind its pixels': { type: 'image/png', base64: PNG_BEHIND },
};

const answers = new Map<OrientationPlace, Promise<boolean>>();

/** Every browser that decodes JPEG, AVIF or HEIC applies their orientation. */
export function isTurnedByBrowser(place: OrientationPlace): Promise<boolean> {
  const probe = PROBES[place];
  if (!probe) return Promise.resolve(true);
  let answer = answers.get(place);
  if (!answer) answers.set(place, (answer = ask(probe)));
  return answer;
}

async function ask({ type, base64 }: { type: string; base64: string }): Promise<boolean> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type }), { imageOrientation: 'from-image' });
  const isTurned = bitmap.width === 1;
  bitmap.close();
  return isTurned;
}

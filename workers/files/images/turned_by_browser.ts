/**
 * Whether this browser turns pictures of a kind as EXIF says while it decodes them. Browsers differ, and from version to
 * version (Chromium turns JPEG and PNG, not WebP), so each is asked once, with a picture of 2 × 1 pixels that is to be
 * turned by 90°.
 */
import type { ImageKind } from './structure/image_structure.ts';

/** Lossless WebP of 2 × 1 pixels with the EXIF orientation 6. */
const WEBP =
  'UklGRlAAAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TA8AAAAvAQAAAAcQ/Y/+ByKi/wEARVhJRhoAAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA==';
/** PNG of 2 × 1 pixels with the EXIF orientation 6 in a chunk eXIf. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAPSURBVHicY/zPwMDAwAAABggBActHdnUAAAAASUVORK5CYII=';
/** The same with that chunk behind the pixels. */
const PNG_BEHIND =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP8z8DAwMAAAAYIAQHLR3Z1AAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAASUVORK5CYII=';

/** Kinds of files, and where they say it, that browsers differ in. */
export type OrientationPlace = ImageKind | 'png, behind its pixels';

const PROBES: Partial<Record<OrientationPlace, { readonly type: string; readonly base64: string }>> = {
  webp: { type: 'image/webp', base64: WEBP },
  png: { type: 'image/png', base64: PNG },
  'png, behind its pixels': { type: 'image/png', base64: PNG_BEHIND },
};

const answers = new Map<OrientationPlace, Promise<boolean>>();

/** JPEG, AVIF and HEIC are turned by every browser that decodes them. */
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

/** Image files made byte by byte, in formats that a canvas cannot encode. */

type Bytes = Uint8Array<ArrayBuffer>;

const text = (value: string): number[] => [...value].map((character) => character.charCodeAt(0));
const uint16 = (value: number): number[] => [value >> 8, value & 255];
const uint32 = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

function crc32(bytes: ArrayLike<number>): number {
  let crc = 0xffffffff;
  for (let index = 0; index < bytes.length; index++) {
    crc ^= bytes[index]!;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/**
 * @param colourType 0: grey, 2: RGB, 6: RGBA
 * @param sample the value of a channel at a place, big-endian bytes
 */
export async function makePng(
  width: number,
  height: number,
  bitDepth: 8 | 16,
  colourType: 0 | 2 | 6,
  sample: (x: number, y: number, channel: number) => number,
): Promise<Bytes> {
  const channels = { 0: 1, 2: 3, 6: 4 }[colourType];
  const bytesPerSample = bitDepth / 8;
  const rowLength = 1 + width * channels * bytesPerSample;
  const rows = new Uint8Array(height * rowLength);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < channels; channel++) {
        const value = sample(x, y, channel);
        const at = y * rowLength + 1 + (x * channels + channel) * bytesPerSample;
        if (bitDepth === 8) rows[at] = value;
        else rows.set(uint16(value), at);
      }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate'));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  const chunk = (type: string, content: ArrayLike<number>): number[] => {
    const body = [...text(type), ...Array.from(content)];
    return [...uint32(content.length), ...body, ...uint32(crc32(body))];
  };
  return Uint8Array.from([
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a,
    ...chunk('IHDR', [...uint32(width), ...uint32(height), bitDepth, colourType, 0, 0, 0]),
    ...chunk('IDAT', packed),
    ...chunk('IEND', []),
  ]); // prettier-ignore
}

/**
 * A baseline JPEG whose every coefficient is zero: all samples are 128. Sides are multiples of 8. With four components
 * and Adobe's marker it is CMYK, stored inverted as Photoshop does.
 */
export function makeFlatJpeg(width: number, height: number, components: 1 | 4): Bytes {
  const parts = Array.from({ length: components }, (_, index) => index + 1);
  const adobe = components === 4 ? [0xff, 0xee, ...uint16(14), ...text('Adobe'), 0, 100, 0, 0, 0, 0, 0] : [];
  // One code, of one bit, for "difference 0" and one for "end of block".
  const oneCode = (id: number): number[] => [
    0xff,
    0xc4,
    ...uint16(20),
    id,
    1,
    ...new Array<number>(15).fill(0),
    0,
  ];
  const header = [
    0xff, 0xd8,
    ...adobe,
    0xff, 0xdb, ...uint16(67), 0, ...new Array<number>(64).fill(1),
    0xff, 0xc0, ...uint16(8 + 3 * components), 8, ...uint16(height), ...uint16(width), components,
    ...parts.flatMap((id) => [id, 0x11, 0]),
    ...oneCode(0x00),
    ...oneCode(0x10),
    0xff, 0xda, ...uint16(6 + 2 * components), components, ...parts.flatMap((id) => [id, 0]), 0, 63, 0,
  ]; // prettier-ignore
  const blocks = (width / 8) * (height / 8) * components;
  const bytes = new Uint8Array(header.length + Math.ceil((blocks * 2) / 8) + 2);
  bytes.set(header);
  bytes.set([0xff, 0xd9], bytes.length - 2);
  return bytes;
}

/** Two frames of 2 × 2 pixels, the first red, the second blue. */
export function makeAnimatedGif(): Bytes {
  const frame = (colour: 0 | 1): number[] => {
    // Three-bit codes, cleared before each pixel so that they stay three bits: 4 is "clear", 5 is "end".
    const codes = [4, colour, 4, colour, 4, colour, 4, colour, 5];
    const data: number[] = [];
    codes.forEach((code, index) => {
      for (let bit = 0; bit < 3; bit++) {
        const place = index * 3 + bit;
        data[place >> 3] = (data[place >> 3] ?? 0) | (((code >> bit) & 1) << (place & 7));
      }
    });
    return [
      0x21, 0xf9, 4, 0, 10, 0, 0, 0,
      0x2c, 0, 0, 0, 0, 2, 0, 2, 0, 0,
      2, data.length, ...data, 0,
    ]; // prettier-ignore
  };
  return Uint8Array.from([
    ...text('GIF89a'), 2, 0, 2, 0, 0xf1, 0, 0,
    255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0,
    0x21, 0xff, 11, ...text('NETSCAPE2.0'), 3, 1, 0, 0, 0,
    ...frame(0),
    ...frame(1),
    0x3b,
  ]); // prettier-ignore
}

/** @param frames still WebP files of one size, as a canvas encodes them (RFC 9649, section 2.7) */
export function makeAnimatedWebp(frames: readonly Uint8Array[], width: number, height: number): Bytes {
  const littleEndian = (value: number, bytes: number): number[] =>
    Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 255);
  const chunk = (kind: string, content: readonly number[]): number[] => [
    ...text(kind),
    ...littleEndian(content.length, 4),
    ...content,
    ...(content.length % 2 === 1 ? [0] : []),
  ];
  const size = [...littleEndian(width - 1, 3), ...littleEndian(height - 1, 3)];
  const body = [
    ...text('WEBP'),
    ...chunk('VP8X', [0x02, 0, 0, 0, ...size]),
    ...chunk('ANIM', [0, 0, 0, 255, 0, 0]),
    ...frames.flatMap((frame) =>
      chunk('ANMF', [0, 0, 0, 0, 0, 0, ...size, ...littleEndian(100, 3), 0, ...pictureChunk(frame)]),
    ),
  ];
  return Uint8Array.from([...text('RIFF'), ...littleEndian(body.length, 4), ...body]);
}

/** The chunk with the picture of a still WebP file, without the headers that a browser adds. */
function pictureChunk(webp: Uint8Array): Uint8Array {
  const view = new DataView(webp.buffer, webp.byteOffset, webp.byteLength);
  for (let at = 12; at + 8 <= webp.length;) {
    const length = view.getUint32(at + 4, true);
    const end = at + 8 + length + (length % 2);
    if (/^VP8[ L]$/.test(String.fromCharCode(...webp.subarray(at, at + 4)))) return webp.subarray(at, end);
    at = end;
  }
  throw new Error('This WebP file has no picture.');
}

/** The beginning of a HEIC file, which is enough to recognise the format. */
export function makeHeicBeginning(): Bytes {
  return Uint8Array.from([...uint32(24), ...text('ftypheic'), 0, 0, 0, 0, ...text('mif1heic')]);
}

/** The JPEG with an EXIF segment with an orientation (1 … 8). */
export function withOrientation(jpeg: Uint8Array, orientation: number): Bytes {
  const tiff = [
    ...text('MM'), 0, 42, 0, 0, 0, 8,
    0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0,
    0, 0, 0, 0,
  ]; // prettier-ignore
  const segment = [...text('Exif'), 0, 0, ...tiff];
  return Uint8Array.from([
    0xff,
    0xd8,
    0xff,
    0xe1,
    ...uint16(segment.length + 2),
    ...segment,
    ...jpeg.subarray(2),
  ]);
}

/** SHA-256, hexadecimal. Empty on pages without a secure context, where browsers offer none. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if ((crypto.subtle as SubtleCrypto | undefined) === undefined) return '';
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** SHA-256 in hexadecimal. Empty on pages without a secure context, where browsers do not offer it. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if ((crypto.subtle as SubtleCrypto | undefined) === undefined) return '';
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

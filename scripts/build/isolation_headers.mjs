/**
 * Cross-origin isolation gives the workers SharedArrayBuffer, and with it the threaded WebAssembly backend where
 * there is no GPU.
 */
export const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

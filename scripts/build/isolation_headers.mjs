/**
 * Cross-origin isolation gives the workers SharedArrayBuffer, which the threaded WebAssembly backend needs on machines
 * without a GPU.
 */
export const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

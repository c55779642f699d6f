/**
 * The built page's policy as a header. The page has a like one in a meta element, but only a header reaches the
 * workers. blob: is for TensorFlow.js, whose threaded WebAssembly backend starts its threads from one.
 */
export const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval' blob:",
  "worker-src 'self' blob:",
  "img-src 'self' blob: data:",
  "style-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

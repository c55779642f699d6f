// The headers that a host should send with every file of the built page, each with its reason. docs/hosting.md gives
// them for common hosts; a test keeps it and this file the same.

import { isolationHeaders } from './isolation_headers.mjs';

const policyInPage = {
  // Nothing is loaded from, or sent to, anywhere but where the page came from.
  'default-src': "'self'",
  // TensorFlow.js's and h5wasm's WebAssembly must be compiled; text is never run as a script.
  'script-src': "'self' 'wasm-unsafe-eval'",
  // TensorFlow.js starts the threads of its WebAssembly backend from a blob.
  'worker-src': "'self' blob:",
  // Thumbnails and charts are blobs made in the page.
  'img-src': "'self' blob: data:",
  'media-src': "'self' blob:",
  'style-src': "'self'",
  'font-src': "'self'",
  'connect-src': "'self'",
  'manifest-src': "'self'",
  'object-src': "'none'",
  'frame-src': "'none'",
  'base-uri': "'self'",
  'form-action': "'none'",
};

const joined = (policy) =>
  Object.entries(policy)
    .map((directive) => directive.join(' '))
    .join('; ');

/** For the meta element in the built page: what holds on a host that sends no header. */
export const contentSecurityPolicyInPage = joined(policyInPage);

/**
 * For the header, which reaches the workers too. Only a worker needs blob: among the scripts (the threads load their
 * program from one), and only a header may forbid frames; for the page itself both policies hold.
 */
export const contentSecurityPolicy = joined({
  ...policyInPage,
  'script-src': `${policyInPage['script-src']} blob:`,
  'frame-ancestors': "'none'",
});

/** What this page may ask the browser for: the camera, for pictures that stay here, and a screen that stays awake. */
const permissionsPolicy = [
  'camera=(self)',
  'screen-wake-lock=(self)',
  'accelerometer=()',
  'display-capture=()',
  'geolocation=()',
  'gyroscope=()',
  'hid=()',
  'magnetometer=()',
  'microphone=()',
  'midi=()',
  'payment=()',
  'serial=()',
  'usb=()',
].join(', ');

export const pageHeaders = {
  'Content-Security-Policy': contentSecurityPolicy,
  // What no Content-Security-Policy governs (a new window, a navigation, WebRTC, a name that is only looked up) reaches no
  // other origin either, where a browser knows this header (Chromium from version 152 on).
  'Connection-Allowlist': '(response-origin)',
  'Permissions-Policy': permissionsPolicy,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  ...isolationHeaders,
};

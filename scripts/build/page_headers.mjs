// The headers that a host should send with every file of the built page, with their reasons. docs/hosting.md has them
// for common hosts; a test compares it with this file.

import { isolationHeaders } from './isolation_headers.mjs';

const policyInPage = {
  // Nothing is loaded from or sent to any origin other than that of the page.
  'default-src': "'self'",
  // The WebAssembly of TensorFlow.js, onnxruntime-web and h5wasm must be compiled. Text is never run as a script.
  'script-src': "'self' 'wasm-unsafe-eval'",
  // TensorFlow.js starts the threads of its WebAssembly backend from a blob.
  'worker-src': "'self' blob:",
  // Thumbnails and charts are blobs that the page makes.
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

/** The policy for the meta element in the built page, which also works on hosts that send no headers. */
export const contentSecurityPolicyInPage = joined(policyInPage);

/**
 * The policy for the header, which also applies to the workers. Only a worker needs blob: among the scripts (threads
 * load their program from a blob), and only a header may forbid frames. Both policies apply to the page itself.
 */
export const contentSecurityPolicy = joined({
  ...policyInPage,
  'script-src': `${policyInPage['script-src']} blob:`,
  'frame-ancestors': "'none'",
});

/** The permissions of the page: the camera, whose pictures stay on the machine, and keeping the screen awake. */
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
  // Keeps things that no Content-Security-Policy governs (new windows, navigations, WebRTC, DNS lookups) from reaching
  // another origin, in browsers that support this header (Chromium from version 152 on).
  'Connection-Allowlist': '(response-origin)',
  'Permissions-Policy': permissionsPolicy,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  ...isolationHeaders,
};

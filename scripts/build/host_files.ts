import type { Plugin } from 'vite';
import { pageHeaders } from './page_headers.mjs';

/** Files whose name changes with their content need no second look; the others do, at every visit. */
const FOREVER = 'public, max-age=31536000, immutable';
const LOOK_EACH_TIME = 'no-cache';
const COMPRESSED = [
  'text/html',
  'text/css',
  'text/javascript',
  'application/javascript',
  'application/manifest+json',
  'application/wasm',
  'image/svg+xml',
];

/**
 * Puts the headers beside the page in the form that common hosts read from its folder: `_headers` for Netlify and
 * Cloudflare Pages, `.htaccess` for Apache. docs/hosting.md has them for others.
 */
export function hostFiles(): Plugin {
  return {
    name: 'host-files',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: '_headers', source: netlifyHeaders() });
      this.emitFile({ type: 'asset', fileName: '.htaccess', source: apacheConfiguration() });
    },
  };
}

function netlifyHeaders(): string {
  const lines = Object.entries(pageHeaders).map(([name, value]) => `  ${name}: ${value}`);
  return [
    '/*',
    ...lines,
    '/assets/*',
    `  Cache-Control: ${FOREVER}`,
    '/service_worker.js',
    `  Cache-Control: ${LOOK_EACH_TIME}`,
    '',
  ].join('\n');
}

function apacheConfiguration(): string {
  const lines = Object.entries(pageHeaders).map(([name, value]) => `  Header always set ${name} "${value}"`);
  return [
    'AddType application/wasm .wasm',
    'AddType application/manifest+json .webmanifest',
    '<IfModule mod_headers.c>',
    ...lines,
    `  Header set Cache-Control "${LOOK_EACH_TIME}"`,
    '  <If "%{REQUEST_URI} =~ m#/assets/#">',
    `    Header set Cache-Control "${FOREVER}"`,
    '  </If>',
    '</IfModule>',
    '<IfModule mod_deflate.c>',
    `  AddOutputFilterByType DEFLATE ${COMPRESSED.join(' ')}`,
    '</IfModule>',
    '',
  ].join('\n');
}

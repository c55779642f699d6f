import type { Plugin } from 'vite';
import { pageHeaders } from './page_headers.mjs';

/** Files whose names change with their content never have to be checked again; others are checked at every visit. */
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
 * Writes the headers into files that common hosts read from the page's folder: `_headers` for Netlify and Cloudflare
 * Pages, `.htaccess` for Apache. docs/hosting.md has the headers for other hosts.
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

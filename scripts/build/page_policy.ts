import type { Plugin } from 'vite';
import { contentSecurityPolicyInPage } from './page_headers.mjs';

/**
 * Writes the page's Content-Security-Policy into its first lines, where anyone can read it, and where it holds on hosts
 * that send no headers. The development server puts style elements into the page, which the built page's policy
 * forbids.
 */
export function pagePolicy(): Plugin {
  let isDevelopment = false;
  return {
    name: 'page-policy',
    configResolved({ command }) {
      isDevelopment = command === 'serve';
    },
    transformIndexHtml: (html) =>
      html.replace(
        '%CONTENT_SECURITY_POLICY%',
        isDevelopment
          ? contentSecurityPolicyInPage.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
          : contentSecurityPolicyInPage,
      ),
  };
}

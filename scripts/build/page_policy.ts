import type { Plugin } from 'vite';
import { contentSecurityPolicyInPage } from './page_headers.mjs';

/**
 * Writes the Content-Security-Policy into the first lines of the page, where anyone can read it, and where it also
 * works on hosts that send no headers. The development server adds style elements to the page, which the policy of the
 * built page forbids.
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

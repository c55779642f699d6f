import type { Plugin } from 'vite';

/**
 * tfjs-backend-wasm passes the source text of a function of this module to its threads, where nothing else of the
 * module exists. The function tests an outer variable with `typeof`. A minifier removes that test, because it sees the
 * variable, and then the threads fail. They do not need the variable (it is for pages that load the file with a script
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

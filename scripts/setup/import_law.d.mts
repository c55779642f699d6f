import type { Rule } from 'eslint';

export const IMPORT_LAW: Readonly<Record<string, readonly string[]>>;
export function roomOf(file: string): string | undefined;
export function importFault(from: string, to: string): string | undefined;
export const importLaw: Rule.RuleModule;

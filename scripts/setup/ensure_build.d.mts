export const distFolder: string;
export function ensureBuild(options?: { quiet?: boolean }): Promise<void>;

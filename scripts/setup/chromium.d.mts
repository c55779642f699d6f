export function findChromium(preferred?: string): { path: string } | undefined;
export function chromiumArguments(options?: { software?: boolean }): string[];
export function hasGpuDevice(files?: readonly string[]): boolean;

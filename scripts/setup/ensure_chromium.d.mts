export function ensureChromium(options?: {
  preferred?: string | undefined;
  log?: (line: string) => void;
}): Promise<string>;

// Finds a Chromium that can run the page headless, and the flags that enable WebGPU. This is plain JavaScript without
// dependencies, so that it can run before anything is installed.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

/** Finds a Chromium that `playwright-core install chromium` has downloaded. */
function playwrightChromium() {
  const root =
    process.env.PLAYWRIGHT_BROWSERS_PATH ??
    (process.platform === 'darwin'
      ? join(homedir(), 'Library/Caches/ms-playwright')
      : process.platform === 'win32'
        ? join(process.env.LOCALAPPDATA ?? '', 'ms-playwright')
        : join(homedir(), '.cache/ms-playwright'));
  if (!existsSync(root)) return undefined;
  const binaries = [
    'chrome-linux/chrome',
    'chrome-linux64/chrome',
    'chrome-mac-x64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    'chrome-mac/Chromium.app/Contents/MacOS/Chromium',
    'chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    'chrome-win/chrome.exe',
    'chrome-win64/chrome.exe',
  ];
  for (const folder of readdirSync(root)
    .filter((name) => name.startsWith('chromium-'))
    .sort()
    .reverse())
    for (const binary of binaries) {
      const path = join(root, folder, binary);
      if (existsSync(path)) return path;
    }
  return undefined;
}

/**
 * @param {string} [preferred] a path given by the user; it has priority, and must exist
 * @returns {{ path: string } | undefined}
 */
export function findChromium(preferred = process.env.FACENET_BROWSER) {
  if (preferred) {
    if (!existsSync(preferred)) throw new Error(`There is no browser at ${preferred}.`);
    return { path: preferred };
  }
  const path =
    INSTALLED.find((candidate) => existsSync(candidate) && !isSnapPlaceholder(candidate)) ??
    playwrightChromium();
  return path ? { path } : undefined;
}

/** Ubuntu's /usr/bin/chromium-browser is a script that only says "install the snap". */
function isSnapPlaceholder(path) {
  if (!path.startsWith('/usr/bin/') || statSync(path).size > 16_384 || existsSync('/snap/bin/chromium'))
    return false;
  return readFileSync(path, 'latin1').includes('/snap/bin/chromium');
}

/** Device files of GPUs: Linux's drivers, NVIDIA's driver, and Windows Subsystem for Linux. */
const GPU_DEVICES = [/^\/dev\/dri\/renderD\d+$/, /^\/dev\/nvidia\d+$/, /^\/dev\/dxg$/];

/** @param {readonly string[]} [files] device files; default: this machine's */
export function hasGpuDevice(files = deviceFiles()) {
  return files.some((file) => GPU_DEVICES.some((pattern) => pattern.test(file)));
}

function deviceFiles() {
  return ['/dev', '/dev/dri'].flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}`) : [],
  );
}

/**
 * @param {{ software?: boolean }} [options] software: use the SwiftShader adapter even if there is a GPU, so that
 *   tests give the same result on every machine
 * @returns {string[]}
 */
export function chromiumArguments({ software = false } = {}) {
  const list = [
    '--enable-unsafe-webgpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // A worker of an invisible page that waits minutes for a GPU must not be throttled.
    '--disable-background-timer-throttling',
    '--disable-renderer-backgrounding',
  ];
  if (process.getuid?.() === 0) list.push('--no-sandbox');
  if (software) list.push('--use-webgpu-adapter=swiftshader');
  else {
    list.push('--ignore-gpu-blocklist');
    // Headless Chromium on Linux reaches a real GPU through Vulkan without a window. If Vulkan has only Mesa's software
    // renderer (llvmpipe), the same flags make Chromium hang at its first frame.
    if (process.platform === 'linux' && hasGpuDevice())
      list.push('--enable-features=Vulkan', '--use-angle=vulkan', '--disable-vulkan-surface');
  }
  return list;
}

// Removes everything that another program leaves behind when it is killed. That program starts this one with a pipe to
// its standard input and writes one JSON line per thing: {"add": path}, {"claims": folder, "owner": mark} (see
// cli/system/photo_claims.ts), {"browser": processId}. However the program ends, the system then closes the pipe.
// Plain JavaScript: it must start quickly, and at any time.
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const BROWSER_ENDS_MS = 5000;
const ATTEMPTS = 20;
const INTERVAL_MS = 250;

const paths = new Set();
/** Owners by folder. */
const claims = new Map();
let browser;

// A signal to the group of the program is not meant for this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if ('add' in message) paths.add(message.add);
  if ('claims' in message) claims.set(message.claims, message.owner);
  if ('browser' in message) browser = message.browser;
}
// A browser whose pipe to the program is closed ends by itself; one that hangs does not.
if (browser !== undefined) {
  for (let waitedMs = 0; isAlive(browser) && waitedMs < BROWSER_ENDS_MS; waitedMs += INTERVAL_MS)
    await sleep(INTERVAL_MS);
  if (isAlive(browser)) killGroup(browser);
}
for (const [folder, owner] of claims) giveBackClaims(folder, owner);
// A process of the browser that is ending may make its folder again: a path is done when it was gone at two looks.
const gone = new Set();
for (let attempt = 0; attempt < ATTEMPTS && paths.size > 0; attempt++) {
  for (const path of paths) {
    if (!existsSync(path)) {
      if (gone.has(path)) paths.delete(path);
      gone.add(path);
      continue;
    }
    gone.delete(path);
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // A process that is ending still writes into it.
    }
  }
  if (paths.size > 0) await sleep(INTERVAL_MS);
}

/** Another process may be at work in the same folder: only what the ended one has made is removed. */
function giveBackClaims(folder, owner) {
  try {
    rmSync(join(folder, `${owner}.owner`), { force: true });
    const names = readdirSync(folder);
    const isAnyoneLeft = names.some((name) => name.endsWith('.owner'));
    for (const name of names) {
      // Records of photos that could not be aligned stay for processes that are still running.
      const text = name.endsWith('.owner') ? '' : readFileSync(join(folder, name), 'utf8');
      if (text === owner || (!isAnyoneLeft && text === `failed ${owner}`))
        rmSync(join(folder, name), { force: true });
    }
    rmdirSync(folder);
  } catch {
    // The folder was missing, or still has claims of other processes. The next start checks again.
  }
}

function isAlive(processId) {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

function killGroup(processId) {
  try {
    process.kill(process.platform === 'win32' ? processId : -processId, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

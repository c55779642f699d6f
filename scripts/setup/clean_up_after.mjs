// Removes what another program leaves behind when it is killed. That program starts this one with a pipe to its
// standard input and writes one JSON line per thing: {"add": path} and {"remove": path}, and {"browser": processId}.
// However the program ends, the system then closes the pipe. Plain JavaScript: it must start quickly, and at any time.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const BROWSER_ENDS_MS = 5000;
const ATTEMPTS = 20;
const INTERVAL_MS = 250;

const paths = new Set();
let browser;

// Whoever ends the program by a signal to its group does not mean this one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if ('add' in message) paths.add(message.add);
  if ('remove' in message) paths.delete(message.remove);
  if ('browser' in message) browser = message.browser;
}
// A browser whose pipe to the program is closed ends by itself; one that hangs does not.
if (browser !== undefined) {
  for (let waitedMs = 0; isAlive(browser) && waitedMs < BROWSER_ENDS_MS; waitedMs += INTERVAL_MS)
    await sleep(INTERVAL_MS);
  if (isAlive(browser)) killGroup(browser);
}
for (let attempt = 0; attempt < ATTEMPTS && paths.size > 0; attempt++) {
  for (const path of paths)
    try {
      rmSync(path, { recursive: true, force: true });
      paths.delete(path);
    } catch {
      // A process that is ending still writes into it.
    }
  if (paths.size > 0) await sleep(INTERVAL_MS);
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

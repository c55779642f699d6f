// Draws the loss and the accuracy of a training run from its log (the output of `facenet train`, in the original's
// format) as an SVG picture for the documentation, and writes the same numbers as a table.
//
//   node scripts/chores/plot_training_log.mjs train.log docs/training-run/NAME
import { readFileSync, writeFileSync } from 'node:fs';

const STEP_LINE =
  /^Epoch: \[(\d+)\]\[(\d+)\/(\d+)\]\tTime [\d.]+\tLoss ([\d.]+)\tXent ([\d.]+)\tRegLoss ([\d.]+)\tAccuracy ([\d.]+)/;
const WIDTH = 860;
const HEIGHT = 300;
const MARGIN = { left: 46, right: 46, top: 30, bottom: 38 };
/** Number of steps in the mean that is drawn over the single steps. */
const SMOOTHING = 10;

const [logPath, outputPath] = process.argv.slice(2);
if (!logPath || !outputPath) {
  console.error(
    'Usage: node scripts/chores/plot_training_log.mjs LOG OUTPUT (writes OUTPUT.svg and OUTPUT.csv)',
  );
  process.exit(2);
}

const steps = readFileSync(logPath, 'utf8')
  .split('\n')
  .map((line) => STEP_LINE.exec(line))
  .filter((match) => match !== null)
  .map(([, epoch, , , loss, crossEntropy, , accuracy], index) => ({
    step: index + 1,
    epoch: Number(epoch),
    loss: Number(loss),
    crossEntropy: Number(crossEntropy),
    accuracy: Number(accuracy),
  }));
if (steps.length === 0) {
  console.error(`${logPath} holds no line of a training step ("Epoch: [1][0/10]\\tTime …").`);
  process.exit(1);
}

const innerWidth = WIDTH - MARGIN.left - MARGIN.right;
const innerHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
const highestLoss = Math.ceil(Math.max(...steps.map(({ loss }) => loss)));
const x = (step) => MARGIN.left + ((step - 1) / Math.max(1, steps.length - 1)) * innerWidth;
const y = (fraction) => MARGIN.top + (1 - fraction) * innerHeight;

function line(value, range, className) {
  const points = steps.map(
    (step, index) => `${x(step.step).toFixed(1)},${y(value(step, index) / range).toFixed(1)}`,
  );
  return `<polyline class="${className}" points="${points.join(' ')}"/>`;
}

function mean(value) {
  return (_step, index) => {
    const window = steps.slice(Math.max(0, index - SMOOTHING + 1), index + 1);
    return window.reduce((sum, step) => sum + value(step), 0) / window.length;
  };
}

const horizontal = [0, 0.25, 0.5, 0.75, 1]
  .map(
    (
      fraction,
    ) => `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(fraction)}" y2="${y(fraction)}"/>
<text class="loss" x="${MARGIN.left - 8}" y="${y(fraction) + 4}" text-anchor="end">${(fraction * highestLoss).toFixed(2)}</text>
<text class="accuracy" x="${WIDTH - MARGIN.right + 8}" y="${y(fraction) + 4}">${fraction.toFixed(2)}</text>`,
  )
  .join('\n');
const every = Math.max(1, Math.round(steps.length / 7 / 10) * 10);
const ticks = steps
  .filter(({ step }) => step === 1 || step % every === 0)
  .map(
    ({ step }) =>
      `<text x="${x(step)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${step}</text>`,
  )
  .join('\n');

writeFileSync(
  `${outputPath}.svg`,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Loss and accuracy by training step">
<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.grid { stroke: #8b949e; stroke-opacity: 0.3 }
polyline { fill: none; stroke-width: 1; stroke-opacity: 0.35 }
polyline.mean { stroke-width: 2; stroke-opacity: 1 }
polyline.loss { stroke: #2563eb } text.loss { fill: #2563eb }
polyline.accuracy { stroke: #c2410c } text.accuracy { fill: #c2410c }
@media (prefers-color-scheme: dark) {
text { fill: #8b949e }
polyline.loss { stroke: #7aa7ff } text.loss { fill: #7aa7ff }
polyline.accuracy { stroke: #fb9a6a } text.accuracy { fill: #fb9a6a }
}
</style>
${horizontal}
${ticks}
<text x="${MARGIN.left + innerWidth / 2}" y="${HEIGHT - 4}" text-anchor="middle">training step</text>
<text class="loss" x="4" y="14">total loss</text>
<text class="accuracy" x="${WIDTH - 4}" y="14" text-anchor="end">training accuracy</text>
${line(({ loss }) => loss, highestLoss, 'loss')}
${line(
  mean(({ loss }) => loss),
  highestLoss,
  'loss mean',
)}
${line(({ accuracy }) => accuracy, 1, 'accuracy')}
${line(
  mean(({ accuracy }) => accuracy),
  1,
  'accuracy mean',
)}
</svg>
`,
);
writeFileSync(
  `${outputPath}.csv`,
  ['step,epoch,loss,cross_entropy,accuracy']
    .concat(
      steps.map((step) => [step.step, step.epoch, step.loss, step.crossEntropy, step.accuracy].join(',')),
    )
    .join('\n') + '\n',
);

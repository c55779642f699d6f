/** What differs between runs that are looked at side by side. */
import type { SeriesCurve } from '../../workers/protocol/train/charts.ts';
import type { RunRecord } from '../../workers/protocol/train/runs.ts';
import { TRAINING_OPTIONS, type OptionName } from '../../workers/protocol/train/options.ts';

export interface SettingDifference {
  /** An option's name, or `dataset`. */
  readonly name: OptionName | 'dataset';
  /** One for each run, in their order. */
  readonly values: readonly string[];
}

/** @returns the settings that are not the same in all of them, in the order of the options */
export function differingSettings(runs: readonly RunRecord[]): SettingDifference[] {
  const rows: SettingDifference[] = [
    {
      name: 'dataset',
      values: runs.map(
        ({ datasetName, classNames, imageCount }) =>
          `${datasetName}: ${classNames.length} classes, ${imageCount} images`,
      ),
    },
    ...TRAINING_OPTIONS.map(({ name }) => ({
      name,
      // A run of an older version may not have had the option.
      values: runs.map(({ options }) => String(options[name] ?? '–')),
    })),
  ];
  return rows.filter(({ values }) => new Set(values).size > 1);
}

export interface Curve {
  readonly positions: readonly number[];
  readonly values: readonly (number | null)[];
}

/** Curves with positions of their own on common ones: null where a curve has no value at a position. */
export function onCommonPositions(curves: readonly Curve[]): {
  positions: number[];
  values: (number | null)[][];
} {
  const positions = [...new Set(curves.flatMap((curve) => curve.positions))].sort((a, b) => a - b);
  const indexOf = new Map(positions.map((position, index) => [position, index]));
  const values = curves.map((curve) => {
    const row = Array<number | null>(positions.length).fill(null);
    for (const [at, position] of curve.positions.entries())
      row[indexOf.get(position)!] = curve.values[at] ?? null;
    return row;
  });
  return { positions, values };
}

/** The last value that is drawn of a curve; undefined where nothing is. */
export function endOfCurve({ values, means }: SeriesCurve): number | undefined {
  return (means ?? values).findLast((value) => value !== null) ?? undefined;
}

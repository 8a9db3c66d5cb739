/** What several rounds gave, in the unit of the figure. */
export interface Sample {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly count: number;
}

function sampleOf(values: readonly number[]): Sample {
  if (values.length === 0) throw new Error('a figure without a single round');
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[Math.min(Math.max(index, 0), sorted.length - 1)] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    max: at(sorted.length - 1),
    count: sorted.length,
  };
}

type Unit = 'ms' | 'MiB' | '% of a core' | 'times' | 'keys/s';

function formatValue(value: number, unit: Unit): string {
  if (unit === 'ms')
    return Math.abs(value) >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  if (unit === 'keys/s') return `${value.toFixed(0)} keys/s`;
  if (unit === 'times') return `${value.toFixed(2)} times`;
  return unit === 'MiB' ? `${value.toFixed(0)} MiB` : `${value.toFixed(1)} %`;
}

function formatSample({ min, median, max, count }: Sample, unit: Unit, of: string): string {
  const [low, middle, high] = [min, median, max].map((value) => formatValue(value, unit));
  return `min ${low}  median ${middle}  max ${high}  (${count} ${of})`;
}

/** One promise of the project, and what came of it. */
interface Verdict {
  readonly figure: string;
  readonly target: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** Prints figures as they are made and keeps the verdicts for the table at the end. */
export class Report {
  readonly verdicts: Verdict[] = [];

  heading(text: string): void {
    console.log(`\n== ${text}`);
  }

  note(text: string): void {
    console.log(`   ${text}`);
  }

  /** `of`: what there is one value of. */
  sample(name: string, values: readonly number[], unit: Unit, of = 'rounds'): Sample {
    const sample = sampleOf(values);
    console.log(`   ${name.padEnd(46)} ${formatSample(sample, unit, of)}`);
    return sample;
  }

  /** Ours beside bare etcd, both at the median. */
  compare(name: string, ours: Sample, bare: Sample, unit: Unit): void {
    const difference = ours.median - bare.median;
    const ratio = bare.median > 0 ? `, ${(ours.median / bare.median).toFixed(2)} times` : '';
    console.log(
      `   ${name.padEnd(46)} ${difference >= 0 ? '+' : ''}${formatValue(difference, unit)}${ratio} against bare`,
    );
  }

  verdict(figure: string, target: string, measured: string, isMet: boolean): void {
    this.verdicts.push({ figure, target, measured, isMet });
  }

  table(): string {
    const rows = [
      ['figure', 'target', 'measured', 'verdict'],
      ...this.verdicts.map(({ figure, target, measured, isMet }) => [
        figure,
        target,
        measured,
        isMet ? 'met' : 'missed',
      ]),
    ];
    const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
    const widths = [width(0), width(1), width(2), 0];
    return rows
      .map((row) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      )
      .join('\n');
  }
}

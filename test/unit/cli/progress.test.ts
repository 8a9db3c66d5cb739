import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { type ProgressReporter, progressReporter } from '../../../src/cli/progress.ts';

const mib = 1024 ** 2;

interface Stage {
  readonly report: ProgressReporter;
  readonly written: string[];
  /** Moves the clock on. */
  readonly pass: (ms: number) => void;
}

function stage(columns: number | undefined): Stage {
  const written: string[] = [];
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonic: () => nowMs };
  const terminal = {
    out: () => undefined,
    err: (text: string) => void written.push(text),
    hasColor: false,
    columns: () => columns,
  };
  return {
    report: progressReporter(terminal, clock),
    written,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

/** What stands on the line after all that was written. */
function lineOf(written: readonly string[]): string {
  return written.join('').split('\r').at(-1)?.replace('\u001b[K', '') ?? '';
}

describe('on a terminal', () => {
  it('draws a bar with bytes, rate and time left', () => {
    const { report, written, pass } = stage(120);
    report({ label: 'writing', doneBytes: 0, totalBytes: 1000 * mib });
    expect(lineOf(written)).toBe(`writing  [${'-'.repeat(40)}]    0%  0 B / 1000.0 MiB`);
    for (let second = 1; second <= 5; second++) {
      pass(1000);
      report({ label: 'writing', doneBytes: second * 50 * mib, totalBytes: 1000 * mib });
    }
    expect(lineOf(written)).toBe(
      `writing  [${'#'.repeat(10)}${'-'.repeat(30)}]   25%  250.0 MiB / 1000.0 MiB  50.0 MiB/s  15s left`,
    );
  });

  it('draws ten times a second at most, however often it is told', () => {
    const { report, written, pass } = stage(80);
    for (let told = 0; told < 1000; told++) {
      report({ label: 'writing', doneBytes: told, totalBytes: 1000 });
      pass(1);
    }
    expect(written.length).toBeGreaterThan(5);
    expect(written.length).toBeLessThanOrEqual(11);
  });

  it.each([10, 20, 40, 60, 80, 200])('never writes into the last of %i columns', (columns) => {
    const { report, written, pass } = stage(columns);
    for (let told = 0; told <= 100; told++) {
      report({ label: 'reading back', doneBytes: told * 10 * mib, totalBytes: 1000 * mib });
      pass(200);
    }
    const longest = Math.max(...written.map((text) => lineOf([text]).length));
    expect(longest).toBeGreaterThan(0);
    expect(longest).toBeLessThan(columns);
  });

  it('shows the rate of the last seconds', () => {
    const { report, written, pass } = stage(100);
    report({ label: 'writing', doneBytes: 0, totalBytes: 1000 * mib });
    pass(1000);
    report({ label: 'writing', doneBytes: 500 * mib, totalBytes: 1000 * mib });
    expect(lineOf(written)).toContain('500.0 MiB/s');
    for (let second = 0; second < 20; second++) {
      pass(1000);
      report({ label: 'writing', doneBytes: (501 + second) * mib, totalBytes: 1000 * mib });
    }
    expect(lineOf(written)).toContain('1.0 MiB/s');
  });

  it('begins anew with another label, and says no end where none is known', () => {
    const { report, written, pass } = stage(100);
    report({ label: 'writing', doneBytes: 900 * mib, totalBytes: 1000 * mib });
    pass(1);
    report({ label: 'reading back', doneBytes: 0 });
    expect(lineOf(written)).toBe('reading back  0 B');
    // The database has grown meanwhile.
    pass(1000);
    report({ label: 'reading back', doneBytes: 20 * mib, totalBytes: 10 * mib });
    expect(lineOf(written)).toBe('reading back  20.0 MiB  20.0 MiB/s');
  });

  it('leaves a clean line, and can be used again', () => {
    const { report, written } = stage(80);
    report.end();
    expect(written).toEqual([]);
    report({ label: 'writing', doneBytes: 1 });
    report.end();
    report.end();
    expect(lineOf(written)).toBe('');
    expect(written).toHaveLength(2);
    report({ label: 'writing', doneBytes: 1 });
    expect(lineOf(written)).toBe('writing  1 B');
  });
});

describe('elsewhere', () => {
  it('writes a line for every 64 MiB, or after five seconds, and nothing else', () => {
    const { report, written, pass } = stage(undefined);
    for (let told = 0; told <= 256; told++) {
      report({ label: 'writing', doneBytes: told * mib, totalBytes: 256 * mib });
      pass(10);
    }
    expect(written).toEqual([
      'writing: 64.0 MiB of 256.0 MiB (25%), 100.0 MiB/s, 2s left\n',
      'writing: 128.0 MiB of 256.0 MiB (50%), 100.0 MiB/s, 1s left\n',
      'writing: 192.0 MiB of 256.0 MiB (75%), 100.0 MiB/s, 1s left\n',
      'writing: 256.0 MiB of 256.0 MiB (100%), 100.0 MiB/s\n',
    ]);
    written.length = 0;
    report({ label: 'reading back', doneBytes: 0 });
    pass(4999);
    report({ label: 'reading back', doneBytes: mib });
    expect(written).toEqual([]);
    pass(1);
    report({ label: 'reading back', doneBytes: mib });
    expect(written).toEqual(['reading back: 1.0 MiB, 204.8 KiB/s\n']);
    report.end();
    expect(written).toHaveLength(1);
  });

  it('says nothing of what is over at once', () => {
    const { report, written } = stage(undefined);
    report({ label: 'writing', doneBytes: 20_480, totalBytes: 20_480 });
    report({ label: 'reading back', doneBytes: 715, totalBytes: 715 });
    report.end();
    expect(written).toEqual([]);
  });
});

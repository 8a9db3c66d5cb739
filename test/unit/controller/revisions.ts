import type { Diagnostic } from '../../../src/base/diagnostics.ts';
import type { Desired, DesiredCluster } from '../../../src/controller/specs.ts';
import type { Revision } from '../../../src/source/revision.ts';
import { goodSpec } from '../spec/good-spec.ts';

/** A commit with these files; its id is the digit forty times. */
export function revision(
  digit: string,
  files: Readonly<Record<string, string>>,
  diagnostics: readonly Diagnostic[] = [],
): Revision {
  return {
    commit: digit.repeat(40),
    author: 'Ada <ada@example.org>',
    subject: 'Change',
    committedAtMs: 1_795_219_460_000,
    files: Object.keys(files)
      .toSorted()
      .map((path) => ({ path, content: Buffer.from(files[path] ?? '') })),
    diagnostics,
  };
}

/** The good spec as that of another cluster, on hosts of its own when a net is given. */
export function specOf(name: string, net = '10.0.0'): string {
  return goodSpec.replace('name: orders', `name: ${name}`).replaceAll('10.0.0.', `${net}.`);
}

export function clusterOf(desired: Desired, name: string): DesiredCluster {
  const cluster = desired.clusters.find((candidate) => candidate.name === name);
  if (cluster === undefined) throw new Error(`${name} is not among ${desired.clusters.map((one) => one.name).join()}`);
  return cluster;
}

export function codesOf(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(({ code }) => code);
}

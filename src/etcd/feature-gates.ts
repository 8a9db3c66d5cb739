import { featureGates, flagsOfRelease, isInRelease } from './flag-inventory.ts';
import { hasFeatureGates } from './releases.ts';

export type ParsedGates =
  | { readonly valid: true; readonly gates: ReadonlyMap<string, string> }
  | { readonly valid: false; readonly problem: string };

/** `A=true,B=false` → gates in the order written. */
export function parseFeatureGates(text: string): ParsedGates {
  const gates = new Map<string, string>();
  for (const part of text.split(',').filter((piece) => piece !== '')) {
    const [name = '', value, ...rest] = part.split('=').map((piece) => piece.trim());
    if (value === undefined || rest.length > 0)
      return { valid: false, problem: `"${part}" is not NAME=true or NAME=false` };
    if (!/^(true|false)$/.test(value)) return { valid: false, problem: `${name} is "${value}", not true or false` };
    if (gates.has(name)) return { valid: false, problem: `${name} is given twice` };
    gates.set(name, value);
  }
  if (gates.get('LeaseCheckpointPersist') === 'true' && gates.get('LeaseCheckpoint') !== 'true')
    return { valid: false, problem: 'LeaseCheckpointPersist=true needs LeaseCheckpoint=true' };
  return { valid: true, gates };
}

/** The flag of a release before 3.6 that does what a gate does; undefined when the release has none. */
export function experimentalFlagOfGate(gate: string, version: string): string | undefined {
  const flag = featureGates.find(({ name }) => name === gate)?.experimental;
  return flag !== undefined && !hasFeatureGates(version) && flagsOfRelease(version).has(flag) ? flag : undefined;
}

/** The gates that a release knows. */
export function gatesOfRelease(version: string): readonly string[] {
  return featureGates.flatMap(({ name, releases }) => (isInRelease(releases, version) ? [name] : []));
}

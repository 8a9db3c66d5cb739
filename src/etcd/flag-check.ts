import { nearestName } from '../base/nearest.ts';
import { experimentalFlagOfGate, gatesOfRelease, parseFeatureGates } from './feature-gates.ts';
import { type EtcdFlag, featureGates, flagInventory, flagsOfRelease, nameInRelease } from './flag-inventory.ts';
import { valueProblem } from './flag-values.ts';
import { ownedFlagReason } from './owned-flags.ts';
import { hasFeatureGates, minorOf } from './releases.ts';

export interface FlagProblem {
  readonly flag: string;
  readonly code: 'owned-flag' | 'unknown-flag' | 'invalid-value';
  /** What is wrong, in one sentence without the flag's name in front. */
  readonly detail: string;
  /** The name that was probably meant. */
  readonly nearest?: string;
}

/**
 * What is wrong with flags that a person wrote for a release, in the order written. Flags may go by
 * their current name in every release (`corrupt-check-time` is `experimental-corrupt-check-time`
 * in 3.5), and `feature-gates` may be used before 3.6 for gates that were flags then. The former
 * `experimental-` names are taken before 3.6 only, since 3.7 does not start with one.
 */
export function checkFlags(version: string, flags: Readonly<Record<string, string>>): readonly FlagProblem[] {
  const problems = Object.entries(flags).flatMap(([flag, value]) => checkFlag(version, flag, value, flags) ?? []);
  const timing = timingProblem(flags);
  return timing === undefined || problems.some(({ code }) => code === 'invalid-value')
    ? problems
    : [...problems, timing];
}

function checkFlag(
  version: string,
  flag: string,
  value: string,
  flags: Readonly<Record<string, string>>,
): FlagProblem | undefined {
  const reason = ownedFlagReason(flag);
  if (reason !== undefined) return { flag, code: 'owned-flag', detail: `belongs to Quorate: ${reason}` };
  if (flag === 'feature-gates') return checkGates(version, value);
  const entry = findFlag(version, flag);
  if (entry === undefined) return unknownFlag(version, flag);
  if (flag !== entry.name && flags[entry.name] !== undefined)
    return {
      flag,
      code: 'invalid-value',
      detail: `is the former name of ${entry.name}, which is given too`,
      nearest: entry.name,
    };
  if (flag === 'logger' && value === 'capnslog' && minorOf(version) !== '3.4')
    return { flag, code: 'invalid-value', detail: 'capnslog is gone from etcd 3.5; zap is the only logger' };
  const problem = valueProblem(entry, value);
  return problem === undefined ? undefined : { flag, code: 'invalid-value', detail: problem };
}

/** A flag by its current name or by the one that this release uses. */
function findFlag(version: string, flag: string): EtcdFlag | undefined {
  if (hasFeatureGates(version) && flag.startsWith('experimental-')) return undefined;
  const entry = flagsOfRelease(version).get(flag);
  if (entry !== undefined) return entry;
  const current = flagInventory.find(({ name }) => name === flag);
  return current !== undefined && nameInRelease(current, version) !== undefined ? current : undefined;
}

function unknownFlag(version: string, flag: string): FlagProblem {
  const successor = currentName(flag);
  if (successor !== undefined && hasFeatureGates(version))
    return {
      flag,
      code: 'unknown-flag',
      detail: `is a former name that etcd 3.7 does not start with; since 3.6 it is ${successor.text}`,
      nearest: successor.name,
    };
  const others = flagInventory.find(({ name }) => name === flag);
  if (others !== undefined) {
    const releases = [...others.experimentalReleases, ...others.releases].join(', ');
    return { flag, code: 'unknown-flag', detail: `etcd ${version} has no such flag; it exists in ${releases}` };
  }
  const candidates = flagInventory
    .filter((entry) => nameInRelease(entry, version) !== undefined && ownedFlagReason(entry.name) === undefined)
    .map(({ name }) => name);
  const nearest = nearestName(flag, candidates);
  const detail = `etcd ${version} has no such flag`;
  return nearest === undefined
    ? { flag, code: 'unknown-flag', detail }
    : { flag, code: 'unknown-flag', detail: `${detail}; did you mean ${nearest}?`, nearest };
}

function currentName(flag: string): { readonly name: string; readonly text: string } | undefined {
  const gate = featureGates.find(({ experimental }) => experimental === flag);
  if (gate !== undefined) return { name: 'feature-gates', text: `feature-gates: ${gate.name}=true` };
  const name = flag.replace(/^experimental-/, '');
  return name !== flag && flagInventory.some((entry) => entry.name === name) ? { name, text: name } : undefined;
}

function checkGates(version: string, value: string): FlagProblem | undefined {
  const flag = 'feature-gates';
  const parsed = parseFeatureGates(value);
  if (!parsed.valid) return { flag, code: 'invalid-value', detail: parsed.problem };
  const gates = gatesOfRelease(version);
  for (const gate of parsed.gates.keys()) {
    if (gates.includes(gate) || experimentalFlagOfGate(gate, version) !== undefined) continue;
    const nearest = nearestName(gate, gates);
    const detail = `etcd ${version} has no feature gate ${gate}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
    return { flag, code: 'invalid-value', detail };
  }
  return undefined;
}

/** etcd refuses an election time-out below five heartbeats; both default when absent (100 and 1000 ms). */
function timingProblem(flags: Readonly<Record<string, string>>): FlagProblem | undefined {
  const heartbeatMs = Number(flags['heartbeat-interval'] ?? 100);
  const electionMs = Number(flags['election-timeout'] ?? 1000);
  if (electionMs >= 5 * heartbeatMs) return undefined;
  return {
    flag: flags['election-timeout'] === undefined ? 'heartbeat-interval' : 'election-timeout',
    code: 'invalid-value',
    detail: `election-timeout (${electionMs} ms) has to be at least five times heartbeat-interval (${heartbeatMs} ms)`,
  };
}

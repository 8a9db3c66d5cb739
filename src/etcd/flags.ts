import { isIP } from 'node:net';
import { type ClusterSpec, clientUrl, type HostSpec, hostUrl, peerUrl } from '../spec/cluster-spec.ts';
import { experimentalFlagOfGate, gatesOfRelease, parseFeatureGates } from './feature-gates.ts';
import { flagInventory, flagsOfRelease, nameInRelease } from './flag-inventory.ts';
import { ownedFlagReason } from './owned-flags.ts';
import { hasFeatureGates, minorOf } from './releases.ts';

export { checkFlags } from './flag-check.ts';

/**
 * Every flag of a member by the name that its release takes, without dashes, except what the agent
 * adds: name, data dir, certificate files, initial cluster and log outputs. Flags of the spec that
 * this release does not know are left out, so that the same spec can be rendered for the minors
 * that an upgrade passes through; what a person wrote wrongly is found by `checkFlags`.
 */
export function memberFlags(spec: ClusterSpec, host: HostSpec): Readonly<Record<string, string>> {
  const rendered = renderFlags(spec.version, { ...safetyDefaults(spec.version), ...spec.etcd });
  const flags = {
    ...rendered,
    'listen-client-urls': listenUrls(host.address, host.ports.client, true),
    'advertise-client-urls': clientUrl(host),
    'listen-peer-urls': listenUrls(host.address, host.ports.peer, false),
    'initial-advertise-peer-urls': peerUrl(host),
    'listen-metrics-urls': hostUrl('127.0.0.1', host.ports.metrics, 'http'),
    'client-cert-auth': 'true',
    'peer-client-cert-auth': 'true',
  };
  return Object.fromEntries(Object.entries(flags).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The same member while only the controller may reach it: its client URLs are on the quarantine port, so that
 * clients, which know the other one, neither read nor write before it is released.
 */
export function quarantinedFlags(spec: ClusterSpec, host: HostSpec): Readonly<Record<string, string>> {
  return releasedFlags(spec, { ...host, ports: { ...host.ports, client: host.ports.quarantine } });
}

/**
 * A member whose data was compared with that of the others a moment ago. The check at its start would have all members
 * hash everything for each other once more before it serves.
 */
export function releasedFlags(spec: ClusterSpec, host: HostSpec): Readonly<Record<string, string>> {
  const gates = parseFeatureGates(spec.etcd['feature-gates'] ?? '');
  const written = gates.valid ? [...gates.gates].filter(([gate]) => gate !== initialCheck) : [];
  const unchecked = [...written, [initialCheck, 'false']].map(([gate, value]) => `${gate}=${value}`).join(',');
  return memberFlags({ ...spec, etcd: { ...spec.etcd, 'feature-gates': unchecked } }, host);
}

/**
 * The flags that matter to a running member: all but the one that acts at its start alone, which is no reason to
 * restart it. It is in force from the next start on.
 */
export function runningFlags(flags: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(flags).flatMap(([name, value]) => {
    if (name === initialCheckFlag) return [];
    if (name !== 'feature-gates') return [[name, value]];
    const gates = value.split(',').filter((gate) => !gate.startsWith(`${initialCheck}=`));
    return gates.length === 0 ? [] : [[name, gates.join(',')]];
  });
  return Object.fromEntries(entries) as Readonly<Record<string, string>>;
}

/** The election time-out that the members of a cluster run with, in milliseconds; etcd's default is 1000. */
export function electionTimeoutMs(spec: ClusterSpec): number {
  return Number(spec.etcd['election-timeout'] ?? 1000);
}

/** Detection of corruption is off in etcd by default. What the spec says about it wins. */
const initialCheck = 'InitialCorruptCheck';
const initialCheckFlag = 'experimental-initial-corrupt-check';
const corruptionGates = [initialCheck, 'CompactHashCheck'];

function safetyDefaults(version: string): Readonly<Record<string, string>> {
  return {
    // Hashing the whole key space costs reads; etcd's documentation recommends a couple of hours.
    'corrupt-check-time': '4h',
    // 3.4 still writes its old log format by default.
    ...(minorOf(version) === '3.4' ? { logger: 'zap' } : {}),
  };
}

function renderFlags(version: string, flags: Readonly<Record<string, string>>): Record<string, string> {
  const known = flagsOfRelease(version);
  const rendered: Record<string, string> = renderGates(version, flags['feature-gates'] ?? '');
  for (const [flag, value] of Object.entries(flags)) {
    if (flag === 'feature-gates' || ownedFlagReason(flag) !== undefined) continue;
    // etcd 3.6 knows both names of a flag but refuses to be given both; 3.7 knows only the new one.
    if (hasFeatureGates(version) && flag.startsWith('experimental-')) continue;
    const entry = known.get(flag) ?? flagInventory.find(({ name }) => name === flag);
    const name = entry === undefined ? undefined : nameInRelease(entry, version);
    if (name !== undefined) rendered[name] = value;
  }
  return rendered;
}

/** One `feature-gates` flag from 3.6 on, one `experimental-…` flag for each gate before. */
function renderGates(version: string, written: string): Record<string, string> {
  const parsed = parseFeatureGates(written);
  const gates = new Map(corruptionGates.map((gate) => [gate, 'true']));
  if (parsed.valid) for (const [gate, value] of parsed.gates) gates.set(gate, value);
  if (!hasFeatureGates(version)) {
    return Object.fromEntries(
      [...gates].flatMap(([gate, value]) => {
        const flag = experimentalFlagOfGate(gate, version);
        return flag === undefined ? [] : [[flag, value]];
      }),
    );
  }
  const available = gatesOfRelease(version);
  const pairs = [...gates].filter(([gate]) => available.includes(gate)).map(([gate, value]) => `${gate}=${value}`);
  return { 'feature-gates': pairs.toSorted().join(',') };
}

/**
 * etcd binds to addresses, never to host names. Tools on the host reach a member at 127.0.0.1 as
 * well, unless the address is a loopback one already, where other members may use that port.
 */
function listenUrls(address: string, port: number, withLoopback: boolean): string {
  if (address === 'localhost') return hostUrl('127.0.0.1', port);
  const family = isIP(address);
  if (family === 0) return hostUrl('0.0.0.0', port);
  const isLocal = family === 4 ? /^(127\.|0\.0\.0\.0$)/.test(address) : /^(::1?|0*(:0*){1,7}[01]?)$/.test(address);
  const urls = [hostUrl(address, port)];
  if (withLoopback && !isLocal) urls.push(hostUrl('127.0.0.1', port));
  return urls.join(',');
}

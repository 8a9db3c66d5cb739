import type { ClusterRecord } from '../../../src/backup/store.ts';
import { converge } from './converge.ts';
import { takeModelBackup } from './model-backup.ts';
import { modelSpec, type ShortSpec } from './model-spec.ts';
import { digest } from './paper-certificates.ts';
import type { HostState } from './state.ts';
import type { ModelWorld } from './world.ts';

export interface EventContext {
  /** In force at this point of the story. */
  readonly spec: ShortSpec | undefined;
  readonly stateDir: string;
}

type OnHost = (world: ModelWorld, name: string) => void;

const set =
  (fields: Partial<HostState>): OnHost =>
  (world, name) => {
    Object.assign(world.host(name), fields);
  };

/** `verb HOST…`, or `verb all`. */
const hostEvents: Readonly<Record<string, OnHost>> = {
  kill: (world, name) => world.kill(name),
  stop: (world, name) => world.stop(name),
  'crash-loop': (world, name) => world.crashLoop(name, true),
  mend: (world, name) => world.crashLoop(name, false),
  'power-off': (world, name) => world.powerOff(name),
  'power-on': (world, name) => world.powerOn(name),
  wipe: (world, name) => world.wipe(name),
  replace: (world, name) => world.replaceHost(name),
  lead: (world, name) => world.lead(name),
  'agent-away': set({ isAgentAway: true }),
  'agent-back': set({ isAgentAway: false }),
  'agent-forgets': set({ isAgentForgetful: true }),
  'agent-remembers': set({ isAgentForgetful: false }),
  /** The file of the peer domain is there and holds nothing that can be read. */
  'trust-broken': (world, name) => {
    world.host(name).member.tls.peer.trust = [];
  },
  'endpoint-away': set({ isEndpointAway: true }),
  'endpoint-back': set({ isEndpointAway: false }),
  behind: set({ isBehind: true }),
  'slow-disk': set({ catchUpMs: 10 * 60_000 }),
  'never-catches-up': set({ catchUpMs: 365 * 86_400_000 }),
  'foreign-data': (world, name) => {
    world.host(name).member.isKnown = true;
    world.host(name).member.data = { clusterId: 'f0f0f0f0f0f0f0f0', memberId: 'abababababababab', log: [] };
  },
  nospace: (world, name) => raise(world, name, 'NOSPACE'),
  corrupt: (world, name) => raise(world, name, 'CORRUPT'),
};

const worldEvents: Readonly<Record<string, (world: ModelWorld) => void>> = {
  'store-away': (world) => {
    world.store.faults.away = true;
  },
  'store-back': (world) => {
    world.store.faults.away = false;
  },
  'store-full': (world) => {
    world.store.faults.freeBytes = 0;
  },
  /** One byte of the newest archive is another one. */
  'backup-altered': (world) => {
    const bytes = Uint8Array.from(world.store.objects.get(newestArchive(world)) ?? []);
    const place = Math.trunc(bytes.length / 2);
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    world.store.objects.set(newestArchive(world), bytes);
  },
  'backup-truncated': (world) => {
    const bytes = world.store.objects.get(newestArchive(world)) ?? new Uint8Array();
    world.store.objects.set(newestArchive(world), bytes.subarray(0, bytes.length - 10));
  },
  'backup-without-meta': (world) => {
    world.store.objects.delete(newestArchive(world).replace('etcd.backup.gz', '_etcd_backup.meta'));
  },
  /** As another program would have written it. */
  'backup-without-proof': (world) => {
    world.store.objects.delete(newestArchive(world).replace('etcd.backup.gz', '_quorate.json'));
  },
  'backup-of-newer-etcd': (world) => {
    const key = newestArchive(world).replace('etcd.backup.gz', '_etcd_backup.meta');
    const meta = JSON.parse(Buffer.from(world.store.objects.get(key) ?? '{}').toString()) as object;
    world.store.objects.set(key, Buffer.from(JSON.stringify({ ...meta, etcdVersion: '3.7.1' })));
  },
  'store-empty': (world) => world.store.objects.clear(),
  'record-lost': (world) => {
    world.store.objects.delete('control/quorate.json');
  },
  'record-of-another': (world) => alterRecord(world, { clusterId: 'f0f0f0f0f0f0f0f0' }),
  /** As if somebody had mended it by hand: it knows of the bootstrap but of no cluster. */
  'record-without-cluster': (world) => alterRecord(world, { clusterId: null, operation: null, hosts: [] }),
  'record-broken': (world) => {
    world.store.objects.set('control/quorate.json', Buffer.from('{'));
  },
  /** The leader is gone for a moment, and nobody else is. */
  elects: (world) => {
    for (const raft of Object.values(world.state.rafts)) raft.leaderId = null;
    world.settle();
  },
  'age-authorities': (world) => {
    for (const [name, paper] of Object.entries(world.state.authorities))
      world.state.authorities[name] = {
        ...paper,
        notBeforeMs: world.nowMs - 4 * 365 * 86_400_000,
        notAfterMs: world.nowMs + 100 * 86_400_000,
      };
  },
  'another-authority': (world) => {
    const [paper] = Object.values(world.state.authorities);
    if (paper === undefined) throw new Error('there is no authority yet');
    const name = 'main-2';
    world.state.authorities[name] = { ...paper, name, fingerprint: digest(name), subject: `CN=orders ${name}` };
  },
  'keystore-away': (world) => {
    world.state.isKeystoreAway = true;
  },
  'keystore-lost': (world) => {
    world.state.authorities = {};
  },
};

/** Makes one event of a story happen. Throws for one that nobody knows. */
export async function happen(event: string, world: ModelWorld, context: EventContext): Promise<void> {
  const [verb = '', ...rest] = event.split(' ');
  const onHost = hostEvents[verb];
  if (onHost !== undefined) {
    const names = rest[0] === 'all' ? Object.keys(world.state.hosts) : rest;
    for (const name of names) onHost(world, name);
    return;
  }
  if (worldEvents[verb] !== undefined) worldEvents[verb](world);
  else if (verb === 'wait') world.advanceTo(world.nowMs + durationMs(rest[0] ?? ''));
  else if (verb === 'write') world.put(Number(rest[0]));
  else if (verb === 'backup') await takeModelBackup(world, specOf(context), context.stateDir);
  else if (verb === 'converge') await converge(world, specOf(context), context);
  else if (event.startsWith('dies before ')) await dieBefore(event.slice('dies before '.length), world, context);
  else throw new Error(`no such event: ${event}`);
}

function newestArchive(world: ModelWorld): string {
  const archives = [...world.store.objects.keys()].filter((key) => key.endsWith('/etcd.backup.gz')).toSorted();
  const newest = archives.at(-1);
  if (newest === undefined) throw new Error('the store holds no backup');
  return newest;
}

/** The controller works on the commit in force and dies just before its first call of that name. */
async function dieBefore(name: string, world: ModelWorld, context: EventContext): Promise<void> {
  const spec = specOf(context);
  const rehearsal = await converge(world.fork(), spec, { ...context, maxPasses: 3 });
  const at = rehearsal.calls.findIndex((call) => call.startsWith(name)) + 1;
  if (at === 0) throw new Error(`the controller never calls "${name}": ${[...new Set(rehearsal.calls)].join('; ')}`);
  const { hasDied } = await converge(world, spec, { ...context, fault: { at, type: 'crash' }, maxPasses: 1 });
  if (!hasDied) throw new Error(`the controller did not die at call ${at}`);
}

function specOf({ spec }: EventContext): ReturnType<typeof modelSpec> {
  if (spec === undefined) throw new Error('no spec is in force at this point of the story');
  return modelSpec(spec);
}

function raise(world: ModelWorld, name: string, alarm: 'NOSPACE' | 'CORRUPT'): void {
  const memberId = world.host(name).member.data?.memberId ?? digest(name, 16);
  world.state.alarms.push({ memberId, alarm });
}

function alterRecord(world: ModelWorld, change: Partial<ClusterRecord>): void {
  const key = 'control/quorate.json';
  const record = JSON.parse(Buffer.from(world.store.objects.get(key) ?? '{}').toString()) as ClusterRecord;
  world.store.objects.set(key, Buffer.from(JSON.stringify({ ...record, ...change })));
}

function durationMs(text: string): number {
  const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const unit = units[text.slice(-1)];
  if (unit === undefined) throw new Error(`not a duration: ${text}`);
  return Number(text.slice(0, -1)) * unit;
}

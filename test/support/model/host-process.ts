import { decideJoin } from '../../../src/agent/start-rules.ts';
import type { StartRequest } from '../../../src/agent/wire.ts';
import { firstStart } from './etcd-start.ts';
import { type DataDir, type HostState, membersOf, type ProcessState, type WorldState } from './state.ts';

/** How soon a process that ended by itself is started again. */
const restartAfterMs = 1_000;

/** Starts etcd as the agent does: on its data, or as `join` says when the data dir is empty. */
export function startProcess(state: WorldState, host: HostState, request: StartRequest): void {
  const { member } = host;
  const data = dataOf(host);
  const join = decideJoin({ cluster: 'orders', data, latched: member.latched, request });
  Object.assign(member, { desired: 'run', request, restarts: 0, restartAtMs: null });
  if (join !== undefined) {
    const ownUrl = request.flags['initial-advertise-peer-urls'] ?? '';
    const started = firstStart(state, request.member, ownUrl, join);
    if ('dies' in started) {
      // Without data there is nothing to start again on by itself.
      die(state, host, started.dies);
      member.restartAtMs = null;
      return;
    }
    member.data = started.data;
    latch(state, host, started.data, join.state === 'new' ? join.bootstrapId : undefined);
  }
  launch(state, host);
}

function dataOf(host: HostState): Parameters<typeof decideJoin>[0]['data'] {
  const { data } = host.member;
  return {
    isPresent: data !== null,
    isInitialised: data !== null,
    identity: data === null ? undefined : { clusterId: data.clusterId, memberId: data.memberId },
  };
}

function latch(state: WorldState, host: HostState, data: DataDir, bootstrapId: string | undefined): void {
  const { clusterId, memberId } = data;
  host.member.latched = {
    clusterId,
    memberId,
    ...(bootstrapId === undefined ? {} : { bootstrapId }),
    atMs: state.nowMs,
  };
}

function launch(state: WorldState, host: HostState): void {
  const { member } = host;
  const { request, data } = member;
  if (request === null || data === null || member.process !== null) return;
  const wasEmpty = data.log.length === 0;
  member.process = {
    pid: (state.nowMs % 30_000) + 100,
    startedAtMs: state.nowMs,
    name: request.member,
    version: request.version,
    flags: request.flags,
    trustLoaded: {
      peer: member.tls.peer.trust.map((authority) => authority.fingerprint),
      client: member.tls.client.trust.map((authority) => authority.fingerprint),
    },
    caughtUpAtMs: wasEmpty ? state.nowMs + host.catchUpMs : state.nowMs,
    endsAtMs: null,
  } satisfies ProcessState;
  if (host.isCrashing) die(state, host, 'panic: the disk cannot be written');
  else if (isRemoved(data)) die(state, host, 'the member has been permanently removed from the cluster');
}

/** Its own log tells that it was taken off the list. */
function isRemoved(data: DataDir): boolean {
  const members = membersOf(data);
  return members.length > 0 && !members.some((member) => member.id === data.memberId);
}

/** The process ends by itself; the agent starts it again after a while when there is data. */
export function die(state: WorldState, host: HostState, lastWords: string): void {
  const { member } = host;
  member.process = null;
  member.lastExit = { code: 1, signal: null, atMs: state.nowMs, logTail: [lastWords] };
  member.restartAtMs = member.desired === 'run' && member.data !== null ? state.nowMs + restartAfterMs : null;
}

/** What is due on a host at this moment. */
export function settleHost(state: WorldState, host: HostState): void {
  const { member } = host;
  if (!host.isOn) return;
  const endsAtMs = member.process?.endsAtMs ?? null;
  if (endsAtMs !== null && endsAtMs <= state.nowMs)
    die(state, host, 'the member has been permanently removed from the cluster');
  if (member.restartAtMs === null || member.restartAtMs > state.nowMs) return;
  member.restartAtMs = null;
  if (member.desired !== 'run' || member.data === null) return;
  member.restarts += 1;
  launch(state, host);
}

/** The agent, and with it whatever was meant to run, comes up again with its host. */
export function powerOn(state: WorldState, host: HostState): void {
  host.isOn = true;
  if (host.member.desired === 'run') {
    host.member.restartAtMs = state.nowMs;
    settleHost(state, host);
  }
}

export function powerOff(host: HostState): void {
  host.isOn = false;
  host.member.process = null;
  host.member.restartAtMs = null;
}

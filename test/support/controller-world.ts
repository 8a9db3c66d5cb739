import { rm } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { digestOf } from '../../src/base/canonical.ts';
import type { Clock } from '../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../src/base/log.ts';
import type { DesiredCluster } from '../../src/controller/specs.ts';
import type { Chore } from '../../src/controller/upkeep/chore.ts';
import type { World } from '../../src/controller/world.ts';
import type { Coordination, Lease } from '../../src/coordination/coordination.ts';
import type { Repository } from '../../src/source/repository.ts';
import type { ClusterSpec } from '../../src/spec/cluster-spec.ts';
import { commitOf, ModelController, nextLease } from './model/controller.ts';
import { converge, makeStateDir } from './model/converge.ts';
import { modelSpec, type ShortSpec } from './model/model-spec.ts';
import { ModelWorld } from './model/world.ts';

/** The world of a controller around the cluster model: everything below `reconcile` is the model's. */
export interface ControllerWorld {
  readonly world: World;
  readonly model: ModelWorld;
  readonly stateDir: string;
  readonly coordination: ModelCoordination;
  /** Pauses of the loops so far, in milliseconds. */
  readonly pausesMs: readonly number[];
}

export interface ControllerWorldOptions {
  /** Hosts by name; default a, b, c. */
  readonly hosts?: readonly string[];
  /** Default 30 s. */
  readonly intervalMs?: number;
  /** Called with every message that is logged. */
  readonly onMessage?: (message: string) => void;
  readonly repository?: Repository;
  /** Of the loops; default: virtual, a pause passes at once. */
  readonly clock?: Clock;
  /** Default none. */
  readonly chores?: readonly Chore[];
}

export const threeHosts: ShortSpec = { members: 3, hosts: 'a/z1 b/z2 c/z3', bootstrap: 'first' };

export async function openControllerWorld(options: ControllerWorldOptions = {}): Promise<ControllerWorld> {
  const { hosts = ['a', 'b', 'c'], intervalMs = 30_000, onMessage, repository } = options;
  const stateDir = await temporaryStateDir();
  const model = ModelWorld.create(hosts);
  const { sight } = new ModelController(model, nextLease(model), { stateDir });
  const coordination = new ModelCoordination(model);
  const pausesMs: number[] = [];
  const world: World = {
    config: {
      file: `${stateDir}/controller.yaml`,
      git: { url: stateDir, isLocal: true, ref: 'main', path: 'clusters', pollMs: 3_600_000 },
      state: stateDir,
      identity: { ca: '/unused', cert: '/unused', key: '/unused' },
      binaries: { dirs: [], sources: [] },
      coordination: { type: 'local' },
      log: { level: 'silent' },
      intervalMs,
    },
    clock: options.clock ?? pausingClock(model, pausesMs),
    log: onMessage === undefined ? silentLogger : listeningLogger(onMessage),
    get repository(): Repository {
      if (repository === undefined) throw new Error('a loop reads no repository');
      return repository;
    },
    keystore: sight.keystore,
    coordination,
    chores: options.chores ?? [],
    agent: (host) => sight.agent(host),
    sight: async (spec) => {
      model.declare(spec);
      return sight;
    },
    close: async () => undefined,
  };
  return { world, model, stateDir, coordination, pausesMs };
}

/** Brings the cluster into being, with a controller of its own. */
export async function form(model: ModelWorld, short: ShortSpec, stateDir: string): Promise<ClusterSpec> {
  const spec = modelSpec(short);
  const { isConverged, error } = await converge(model, spec, { stateDir });
  if (!isConverged) throw new Error(`the cluster was not formed: ${error?.message ?? 'it rests'}`);
  return spec;
}

/** What the spec memory gives for a cluster whose file is as it should be. */
export function desire(short: ShortSpec, change: Partial<DesiredCluster> = {}): DesiredCluster {
  const spec = modelSpec(short);
  return {
    name: spec.name,
    path: 'clusters/orders.yaml',
    spec,
    commit: commitOf(spec),
    digest: digestOf(spec),
    diagnostics: [],
    isOrphaned: false,
    ...change,
  };
}

/** Leases of a model: one holder at a time, and they are lost when a test says so. */
export class ModelCoordination implements Coordination {
  /** Text of the holder elsewhere; undefined: nobody. */
  otherHolder: string | undefined;
  /** What asking for a lease ends with. */
  fault: Error | undefined;
  readonly epochs: number[] = [];
  readonly #model: ModelWorld;
  #current: AbortController | undefined;

  constructor(model: ModelWorld) {
    this.#model = model;
  }

  get isHeld(): boolean {
    return this.#current !== undefined && !this.#current.signal.aborted;
  }

  async tryAcquire(): Promise<Lease | { readonly held: false; readonly holder: string }> {
    if (this.fault !== undefined) throw this.fault;
    if (this.otherHolder !== undefined) return { held: false, holder: this.otherHolder };
    if (this.isHeld) return { held: false, holder: 'this process' };
    const current = new AbortController();
    const lease = nextLease(this.#model);
    this.#current = current;
    this.epochs.push(lease.epoch);
    return {
      ...lease,
      lost: current.signal,
      release: async () => {
        if (this.#current === current) this.#current = undefined;
      },
    };
  }

  lose(): void {
    this.#current?.abort(new Error('the lease was taken away'));
  }
}

export async function temporaryStateDir(): Promise<string> {
  const folder = await makeStateDir();
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** A pause takes its time in the model and none outside; one that is called off takes none at all. */
function pausingClock(model: ModelWorld, pausesMs: number[]): Clock {
  return {
    now: () => model.nowMs,
    monotonic: () => model.nowMs,
    sleep: async (ms, signal) => {
      pausesMs.push(ms);
      signal?.throwIfAborted();
      model.advanceTo(model.nowMs + ms);
      await turn();
      signal?.throwIfAborted();
    },
  };
}

function listeningLogger(onMessage: (message: string) => void): Logger {
  const write = (_fields: object, message: string): void => onMessage(message);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  return logger;
}

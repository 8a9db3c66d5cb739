import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuorateError } from '../../../src/base/errors.ts';
import type { Pass } from '../../../src/controller/reconcile.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import type { CallFault } from './calls.ts';
import { ModelController, nextLease } from './controller.ts';
import type { ModelWorld } from './world.ts';

export interface Converged {
  /** The last pass. Undefined: the controller died in each. */
  readonly last: Pass | undefined;
  /** What the last pass ended with instead of a plan. */
  readonly error?: QuorateError | undefined;
  /** Its plan is empty, and it waits for nothing and refuses nothing. */
  readonly isConverged: boolean;
  /** Passes in all. */
  readonly passes: number;
  /** Names of the calls of the first controller. */
  readonly calls: readonly string[];
  readonly hasDied: boolean;
}

/** A sick cluster is looked at again with pauses; this is the virtual time between two looks. */
const pauseMs = 5_000;

/**
 * Runs the controller until nothing is left to do, or nothing can be done. The first controller may
 * have a fault; when it dies another one takes over, with a higher epoch and no memory.
 */
export async function converge(
  world: ModelWorld,
  spec: ClusterSpec,
  options: { readonly stateDir: string; readonly fault?: CallFault | undefined; readonly maxPasses?: number },
): Promise<Converged> {
  const { stateDir, fault, maxPasses = 16 } = options;
  const first = new ModelController(world, nextLease(world), { stateDir, ...(fault === undefined ? {} : { fault }) });
  let controller = first;
  let last: Pass | undefined;
  let error: QuorateError | undefined;
  let idle = 0;
  let passes = 0;
  while (passes < maxPasses && idle < 3) {
    passes += 1;
    const pass = await passOf(controller, spec);
    if (pass === 'died') {
      controller = new ModelController(world, nextLease(world), { stateDir });
      continue;
    }
    if (pass instanceof QuorateError) {
      // The loop of the real controller backs off and looks again.
      error = pass;
      world.advanceTo(world.nowMs + pauseMs);
      continue;
    }
    last = pass;
    error = pass.outcome?.error;
    if (isAtRest(pass)) break;
    if (pass.outcome?.outcome === 'done') {
      idle = 0;
      continue;
    }
    // Looking again may be all that is needed, and a refusal may pass with what it is about.
    idle = pass.outcome === undefined ? idle + 1 : idle;
    world.advanceTo(world.nowMs + pauseMs);
  }
  const isConverged = last !== undefined && isAtRest(last);
  return { last, error, isConverged, passes, calls: first.calls.names, hasDied: first.calls.isDead };
}

async function passOf(controller: ModelController, spec: ClusterSpec): Promise<Pass | 'died' | QuorateError> {
  try {
    return await controller.pass(spec);
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
}

function isAtRest({ plan, outcome }: Pass): boolean {
  return outcome === undefined && plan.steps.length + plan.waits.length + plan.refusals.length === 0;
}

/** Where the journals of a test's controllers are kept; in memory where the system has such a place. The caller removes it. */
export function makeStateDir(): Promise<string> {
  return mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'quorate-model-'));
}

import { QuorateError } from '../base/errors.ts';
import { type StateFile, stateFile } from './state-file.ts';
import type { Fence } from './wire.ts';

const fenceFile: StateFile<Fence> = stateFile<Fence>({
  type: 'object',
  additionalProperties: false,
  required: ['epoch', 'runId'],
  properties: { epoch: { type: 'integer', minimum: 0 }, runId: { type: 'string' } },
});

/** Keeps out a controller that has lost its lease: no command with an epoch older than one already seen. */
export class EpochFence {
  readonly #path: string;
  readonly #cluster: string;
  #newest: Fence;

  private constructor(path: string, cluster: string, newest: Fence) {
    this.#path = path;
    this.#cluster = cluster;
    this.#newest = newest;
  }

  static async load(path: string, cluster: string): Promise<EpochFence> {
    return new EpochFence(path, cluster, (await fenceFile.read(path)) ?? { epoch: 0, runId: '' });
  }

  get epoch(): number {
    return this.#newest.epoch;
  }

  /** Resolves when the command may run; a newer epoch is on disk by then, so that a restart cannot forget it. */
  async admit(fence: Fence): Promise<void> {
    if (fence.epoch < this.#newest.epoch) {
      throw new QuorateError({
        code: 'stale-epoch',
        kind: 'refused',
        operation: `command for cluster ${this.#cluster}`,
        summary: `the command carries epoch ${fence.epoch}, but epoch ${this.#newest.epoch} (run ${this.#newest.runId}) has been seen: another controller has taken over`,
        remedy: 'Stop this run; the controller that holds the newer epoch goes on.',
      });
    }
    if (fence.epoch === this.#newest.epoch) return;
    await fenceFile.write(this.#path, { epoch: fence.epoch, runId: fence.runId });
    this.#newest = { epoch: fence.epoch, runId: fence.runId };
  }
}

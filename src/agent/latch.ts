import { type StateFile, stateFile } from './state-file.ts';
import type { WalIdentity } from './wal.ts';
import type { LatchedIdentity } from './wire.ts';

const latchFile: StateFile<LatchedIdentity> = stateFile<LatchedIdentity>({
  type: 'object',
  additionalProperties: false,
  required: ['clusterId', 'memberId', 'atMs'],
  properties: {
    clusterId: { type: 'string', pattern: '^[0-9a-f]{1,16}$' },
    memberId: { type: 'string', pattern: '^[0-9a-f]{1,16}$' },
    bootstrapId: { type: 'string' },
    atMs: { type: 'number' },
  },
});

/**
 * Remembers which member last ran here, apart from its data. Without it a wiped disk looks like a host
 * that has never had a member, and a `new` start there forms an empty cluster with the old one's ids.
 */
export class Latch {
  readonly #path: string;
  #identity: LatchedIdentity | null;

  private constructor(path: string, identity: LatchedIdentity | null) {
    this.#path = path;
    this.#identity = identity;
  }

  static async load(path: string): Promise<Latch> {
    return new Latch(path, (await latchFile.read(path)) ?? null);
  }

  get identity(): LatchedIdentity | null {
    return this.#identity;
  }

  /** Gives what is latched then, durably. The same ids again change nothing; the same cluster keeps its bootstrap id. */
  async record(seen: WalIdentity, bootstrapId: string | undefined, nowMs: number): Promise<LatchedIdentity> {
    const former = this.#identity;
    const isSameCluster = former !== null && former.clusterId === seen.clusterId;
    const kept = bootstrapId ?? (isSameCluster ? former.bootstrapId : undefined);
    if (isSameCluster && former.memberId === seen.memberId && former.bootstrapId === kept) return former;
    const identity: LatchedIdentity = {
      clusterId: seen.clusterId,
      memberId: seen.memberId,
      ...(kept === undefined ? {} : { bootstrapId: kept }),
      atMs: nowMs,
    };
    await latchFile.write(this.#path, identity);
    this.#identity = identity;
    return identity;
  }
}

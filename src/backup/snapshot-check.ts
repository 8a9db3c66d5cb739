import { createHash } from 'node:crypto';
import { QuorateError } from '../base/errors.ts';

const hashBytes = 32;
/** The database is written in pages, a multiple of this; etcd itself tells by it whether a hash follows. */
const sectorBytes = 512;

export interface SeenSnapshot {
  /** Whole stream, with its trailing hash. */
  readonly sizeBytes: number;
  readonly dbSizeBytes: number;
  /** Hexadecimal, as the stream ends with. */
  readonly dbSha256: string;
}

/**
 * Checks the stream of etcd's Maintenance.Snapshot: the database, then the 32 bytes of its SHA-256.
 * `finish` throws `snapshot-corrupt` when it was cut short or altered.
 */
export class SnapshotCheck {
  readonly #hash = createHash('sha256');
  #tail: Uint8Array = new Uint8Array(0);
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  update(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.byteLength;
    // The last 32 bytes seen so far are held back, for they may be the hash.
    if (chunk.byteLength >= hashBytes) {
      this.#hash.update(this.#tail);
      this.#hash.update(chunk.subarray(0, chunk.byteLength - hashBytes));
      // A copy, for the source may use its buffer again; `slice` of a Buffer would be none.
      this.#tail = Uint8Array.from(chunk.subarray(chunk.byteLength - hashBytes));
      return;
    }
    const joined = Buffer.concat([this.#tail, chunk]);
    const ready = Math.max(0, joined.byteLength - hashBytes);
    this.#hash.update(joined.subarray(0, ready));
    this.#tail = joined.subarray(ready);
  }

  finish(): SeenSnapshot {
    const dbSizeBytes = this.#sizeBytes - hashBytes;
    if (dbSizeBytes <= 0) throw corrupt(`it has only ${this.#sizeBytes} bytes, too few for a database and its hash`);
    if (this.#sizeBytes % sectorBytes !== hashBytes) {
      throw corrupt(`its ${this.#sizeBytes} bytes are not whole pages and a hash of 32 bytes: it was cut short`);
    }
    const dbSha256 = this.#hash.digest('hex');
    const stated = Buffer.from(this.#tail).toString('hex');
    if (stated !== dbSha256) {
      throw corrupt(`its content has SHA-256 ${dbSha256.slice(0, 16)}…, it ends with ${stated.slice(0, 16)}…`);
    }
    return { sizeBytes: this.#sizeBytes, dbSizeBytes, dbSha256 };
  }
}

function corrupt(seen: string): QuorateError {
  return new QuorateError({
    code: 'snapshot-corrupt',
    kind: 'transient',
    operation: 'check a snapshot',
    summary: `the stream is not a whole snapshot: ${seen}`,
    remedy: 'Take it again, from another member if it happens twice; look at the disk of the member that gave it.',
  });
}

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { KeyRecord } from './keyspace.ts';

const blockBytes = 256 * 1024;
/** Two lengths and a lease id, as they go before key and value. */
const headBytes = 16;

/**
 * SHA-256 over keys, values and leases in the order of keys: for each the length of the key, the length of the value
 * (4 bytes each) and the lease (8 bytes), all with the highest byte first, then the key and the value.
 */
export class ContentHash {
  readonly #hash = createHash('sha256');
  readonly #block = Buffer.allocUnsafe(blockBytes);
  #filled = 0;

  add({ key, value, lease }: KeyRecord): void {
    const size = headBytes + key.length + value.length;
    if (this.#filled + size > blockBytes) this.#flush();
    const block = size > blockBytes ? Buffer.allocUnsafe(size) : this.#block;
    block.writeUInt32BE(key.length, this.#filled);
    block.writeUInt32BE(value.length, this.#filled + 4);
    if (lease === '0') block.fill(0, this.#filled + 8, this.#filled + headBytes);
    else block.writeBigInt64BE(BigInt(lease), this.#filled + 8);
    key.copy(block, this.#filled + headBytes);
    value.copy(block, this.#filled + headBytes + key.length);
    if (block === this.#block) this.#filled += size;
    else this.#hash.update(block);
  }

  hex(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#block.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

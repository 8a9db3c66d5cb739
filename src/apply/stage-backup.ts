import { keysOf } from '../backup/backup-name.ts';
import { readProof } from '../backup/catalog.ts';
import { guardStalls } from '../backup/stall-guard.ts';
import { fanOut } from '../base/fan-out.ts';
import { settleAll } from '../base/settle.ts';
import { agentOf, type StepContext } from './step-module.ts';

const stallTimeoutMs = 120_000;

/**
 * Streams the archive of a backup from the store to several hosts at once; it is read once. Each host checks it
 * against its proof and its own hash. Hosts never hold credentials of the store.
 */
export async function stageBackup(backup: string, hosts: readonly string[], context: StepContext): Promise<void> {
  const { store, clock } = context.sight;
  const proof = await readProof(store, backup);
  const archive = await store.open(keysOf(backup).archive);
  const source = guardStalls(archive, {
    clock,
    timeoutMs: stallTimeoutMs,
    operation: `read backup ${backup}`,
    signal: context.signal,
  });
  const branches = fanOut(told(source, proof?.sizeBytes, context), hosts.length);
  const request = { backup, sha256: proof?.sha256 ?? null };
  try {
    await settleAll(
      branches.map(async (branch, index) => {
        try {
          await agentOf(context, hosts[index] ?? '').stageSnapshot(request, branch);
        } finally {
          // A host that did not even answer would hold up all the others.
          branch.leave();
        }
      }),
    );
  } finally {
    // When no host read anything, nobody else closes it.
    archive.destroy();
  }
}

async function* told(
  source: AsyncIterable<Uint8Array>,
  totalBytes: number | undefined,
  context: StepContext,
): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const chunk of source) {
    doneBytes += chunk.byteLength;
    context.transfer({ label: 'sending the backup', doneBytes, totalBytes });
    yield chunk;
  }
}

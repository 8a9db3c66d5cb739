import type { Clock } from '../../base/clock.ts';
import { formatTime } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { renderTable } from '../../report/table.ts';
import { parseCertificate } from '../../tls/leaf.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { reportOn } from './certificate-state.ts';
import { fleetFiles, openFleetFolder } from './folder.ts';

/** `quorate fleet list DIR`: every certificate in `pki/` with its end. */
export async function listFleet(
  dir: string,
  format: 'text' | 'json',
  clock: Clock,
  terminal: Terminal,
): Promise<number> {
  const fleet = await openFleetFolder(dir);
  const nowMs = clock.now();
  const authority = parseCertificate(fleet.authority);
  const isOver = nowMs > authority.notAfterMs;
  const certificates = [
    {
      name: 'ca',
      state: isOver ? 'expired' : 'good',
      notAfterMs: authority.notAfterMs,
      renewAtMs: null,
      detail: isOver ? 'nobody accepts what it signed any more; make a new fleet' : '',
    },
    ...(await fleetFiles(fleet)).map((file) => ({ name: file.name, ...reportOn(file, fleet.authority, nowMs) })),
  ];
  if (format === 'json') terminal.out(`${JSON.stringify({ certificates }, undefined, 2)}\n`);
  else {
    const rows = certificates.map(({ name, state, notAfterMs, detail }) => [
      name,
      notAfterMs === null ? '-' : formatTime(notAfterMs),
      notAfterMs === null || notAfterMs <= nowMs ? '-' : formatDuration(notAfterMs - nowMs),
      `${state}${detail === '' ? '' : `: ${detail}`}`,
    ]);
    terminal.out(renderTable(['CERTIFICATE', 'ENDS', 'LEFT', 'STATE'], rows));
  }
  return exitCodes.done;
}

import { type Clock, formatTime } from '../../base/clock.ts';
import { type CertificateAndKey, renewFleetCertificate } from '../../tls/fleet.ts';
import { parseCertificate } from '../../tls/leaf.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { type CertificateState, reportOn } from './certificate-state.ts';
import { type FleetFile, fleetFiles, inFleet, openFleetFolder, readFleetAuthority } from './folder.ts';
import { replacePair } from './pair.ts';

const needRenewal: readonly CertificateState[] = ['due', 'expired', 'torn'];

/**
 * `quorate fleet renew DIR`: new keys and certificates with the same names for those that are due, or for all. The
 * former ones stay beside them as `.previous`. 1 when there are some that cannot be renewed, after the others were.
 */
export async function renewFleet(dir: string, isForAll: boolean, clock: Clock, terminal: Terminal): Promise<number> {
  const fleet = await openFleetFolder(dir);
  const authority = await readFleetAuthority(fleet, clock.now());
  const found = (await fleetFiles(fleet)).map((file) => ({
    file,
    ...reportOn(file, fleet.authority, clock.now()),
  }));
  const chosen = found.filter(({ state }) => state !== 'unreadable' && (isForAll || needRenewal.includes(state)));
  // All are made before the first is exchanged: what cannot be signed changes nothing.
  const renewed: { readonly file: FleetFile; readonly pair: CertificateAndKey }[] = [];
  for (const { file } of chosen)
    renewed.push({ file, pair: await renewFleetCertificate(authority, file.certificate, clock) });
  for (const { file, pair } of renewed) {
    await inFleet(fleet.path, () => replacePair(file.path, pair, file));
    terminal.out(`renewed ${file.name}, until ${formatTime(parseCertificate(pair.certificate).notAfterMs)}\n`);
  }
  if (renewed.length === 0) terminal.out(nothingDue(found.map(({ renewAtMs }) => renewAtMs)));
  else terminal.out(whatNext(renewed.map(({ file }) => file.name)));
  const left = found.filter(({ state }) => state === 'unreadable' || (!isForAll && state === 'stranger'));
  for (const { file, detail } of left) terminal.err(`left as it is: ${file.name}: ${detail}\n`);
  return left.length === 0 ? exitCodes.done : exitCodes.error;
}

function nothingDue(renewAtMs: readonly (number | null)[]): string {
  const times = renewAtMs.filter((time) => time !== null);
  return times.length === 0
    ? 'Nothing is due.\n'
    : `Nothing is due before ${formatTime(Math.min(...times))}; --all renews all the same.\n`;
}

function whatNext(names: readonly string[]): string {
  const hosts = names.filter((name) => name.startsWith('agents/')).map((name) => name.slice('agents/'.length));
  const copy =
    hosts.length === 0
      ? ''
      : `Copy to each of the hosts ${hosts.join(', ')} its pki/agents/NAME.crt and pki/agents/NAME.key, unless its agent reads them here.\n`;
  return `
${copy}Agents and controller take up what they find in these files by themselves, without a restart.
The former pairs stay beside the new ones as NAME.crt.previous and NAME.key.previous.
`;
}

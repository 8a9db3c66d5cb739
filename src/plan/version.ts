import { assessRelease, compareVersions } from '../etcd/releases.ts';
import type { Draft } from './draft.ts';
import type { ClusterView } from './view.ts';

/** The release: warns of known defects, and refuses what this release of Quorate cannot change in place. */
export function planVersion(view: ClusterView, draft: Draft): 'continue' | 'stop' {
  const { spec } = view;
  const assessment = assessRelease(spec.version);
  for (const finding of assessment.findings) {
    draft.warn({
      code: 'release-defect',
      summary: `etcd ${spec.version} has a known defect.`,
      detail: `${finding.why}; fixed in ${finding.fixedIn}.`,
    });
  }
  const running = view.hosts.flatMap((host) => {
    const version = host.member === undefined ? undefined : host.facts?.member.process.version;
    return version === undefined || version === spec.version ? [] : [{ host: host.name, version }];
  });
  const first = running[0];
  if (first === undefined) return 'continue';
  draft.change('/spec/version', first.version, spec.version);
  const where = running.map(({ host, version }) => `${host} runs ${version}`).join(', ');
  if (compareVersions(spec.version, first.version) < 0 && !spec.upgrade.allowDowngrade) {
    draft.refuse({
      code: 'downgrade-not-allowed',
      summary: 'The spec names an older release than the one that runs.',
      detail: `${where}; the spec says ${spec.version}.`,
      remedy: `Put \`version: ${first.version}\` back. This release of Quorate does not change the version of a running cluster.`,
    });
  } else {
    draft.refuse({
      code: 'no-rolling-path',
      summary: 'This release of Quorate does not change the version of a running cluster.',
      detail: `${where}; the spec says ${spec.version}.`,
      remedy: `Put \`version: ${first.version}\` back.`,
    });
  }
  return 'stop';
}

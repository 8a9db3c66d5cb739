import { assessRelease } from '../etcd/releases.ts';
import type { Draft } from './draft.ts';
import type { View } from './view.ts';

/** What is known of the release that a new cluster would run; true when it is refused. */
export function refusesRelease(view: View, draft: Draft): boolean {
  const assessment = assessRelease(view.spec.version);
  const findings = assessment.findings.map((finding) => `${finding.why} (fixed in ${finding.fixedIn})`).join('; ');
  if (assessment.severity === 'data-loss' && view.spec.upgrade.acceptRelease !== view.spec.version) {
    draft.refuse({
      code: 'release-unsafe',
      summary: `etcd ${view.spec.version} is known to lose data.`,
      detail: `${findings}.`,
      remedy: `Name a fixed release, or say that it is meant:\n  upgrade: { acceptRelease: ${view.spec.version} }`,
    });
    return true;
  }
  if (assessment.severity !== 'none')
    draft.warn({
      code: 'release-defect',
      summary: `etcd ${view.spec.version} has a known defect.`,
      detail: `${findings}.`,
    });
  return false;
}

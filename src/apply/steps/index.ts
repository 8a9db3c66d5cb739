import type { Action } from '../../plan/plan.ts';
import type { StepModule } from '../step-module.ts';
import { addLearner } from './add-learner.ts';
import { archiveData } from './archive-data.ts';
import { backup } from './backup.ts';
import { bootstrapCluster } from './bootstrap-cluster.ts';
import { issueCertificate } from './issue-certificate.ts';
import { moveLeader } from './move-leader.ts';
import { promoteMember } from './promote-member.ts';
import { release } from './release.ts';
import { removeMember } from './remove-member.ts';
import { restartMember } from './restart-member.ts';
import { restoreCluster } from './restore-cluster.ts';
import { startMember } from './start-member.ts';

export const stepModules: Readonly<Record<Action, StepModule>> = {
  backup,
  'bootstrap-cluster': bootstrapCluster,
  'add-learner': addLearner,
  'promote-member': promoteMember,
  'remove-member': removeMember,
  'start-member': startMember,
  'restart-member': restartMember,
  'move-leader': moveLeader,
  'issue-certificate': issueCertificate,
  'archive-data': archiveData,
  'restore-cluster': restoreCluster,
  release,
};

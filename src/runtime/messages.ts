import { NotificationType, NotificationType0, RequestType } from 'vscode-jsonrpc/node.js';
import type { DeviceReport } from '../engine/contract.js';
import type { StudyProblem } from '../study/snapshot.js';
import type {
  Answer,
  CheckpointSummary,
  Greeting,
  InspectParams,
  JobView,
  SessionSettings,
  SubmittedJob,
} from './protocol.js';

/** The messages of the protocol. Apart from its types, so that who only reads jobs does not load the transport. */
export const Messages = {
  greet: new RequestType<{ readonly protocol: number }, Greeting, void>('deltaloom/greet'),
  configure: new RequestType<SessionSettings, null, void>('deltaloom/configure'),
  submit: new RequestType<SubmittedJob, JobView, void>('job/submit'),
  cancel: new RequestType<{ readonly id: string }, boolean, void>('job/cancel'),
  devices: new RequestType<null, Answer<readonly DeviceReport[]>, void>('device/list'),
  check: new RequestType<{ readonly study: string }, Answer<readonly StudyProblem[]>, void>('study/check'),
  inspect: new RequestType<InspectParams, Answer<CheckpointSummary>, void>('checkpoint/inspect'),
  updated: new NotificationType<JobView>('job/updated'),
  logged: new NotificationType<{ readonly id: string; readonly line: string }>('job/logged'),
  deviceOpened: new NotificationType<DeviceReport>('device/opened'),
  /** Sent every second while the event loop turns; its absence is a hang. */
  heartbeat: new NotificationType0('deltaloom/heartbeat'),
  /** The window goes: end, or go on with what is queued if so configured. */
  leave: new NotificationType0('deltaloom/leave'),
} as const;

/** Every name that package.json and the code must agree on; a test compares both. */

export const EXTENSION_ID = 'deltaloom.deltaloom';

export const COMMANDS = {
  refresh: 'deltaloom.refresh',
  createStudy: 'deltaloom.createStudy',
  openSample: 'deltaloom.openSample',
  openConfiguration: 'deltaloom.openConfiguration',
  chooseBackbone: 'deltaloom.chooseBackbone',
  runStudy: 'deltaloom.runStudy',
  checkStudy: 'deltaloom.checkStudy',
  tune: 'deltaloom.tune',
  tuneAgain: 'deltaloom.tuneAgain',
  evaluate: 'deltaloom.evaluate',
  score: 'deltaloom.score',
  merge: 'deltaloom.merge',
  mergeSelected: 'deltaloom.mergeSelected',
  mergeAgain: 'deltaloom.mergeAgain',
  useAsInitialisation: 'deltaloom.useAsInitialisation',
  openCheckpoint: 'deltaloom.openCheckpoint',
  compare: 'deltaloom.compare',
  openRecord: 'deltaloom.openRecord',
  openData: 'deltaloom.openData',
  reveal: 'deltaloom.reveal',
  showCommit: 'deltaloom.showCommit',
  deleteCheckpoint: 'deltaloom.deleteCheckpoint',
  clearChecked: 'deltaloom.clearChecked',
  filter: 'deltaloom.filter',
  clearFilter: 'deltaloom.clearFilter',
  sort: 'deltaloom.sort',
  cancelJob: 'deltaloom.cancelJob',
  cancelAll: 'deltaloom.cancelAll',
  showJobs: 'deltaloom.showJobs',
  showLog: 'deltaloom.showLog',
  showDevices: 'deltaloom.showDevices',
  restartRuntime: 'deltaloom.restartRuntime',
  // Registered by the panels.
  showHeatmap: 'deltaloom.showHeatmap',
  showWeights: 'deltaloom.showWeights',
  showResults: 'deltaloom.showResults',
  showCurves: 'deltaloom.showCurves',
  commitResults: 'deltaloom.commitResults',
} as const;
export type CommandId = (typeof COMMANDS)[keyof typeof COMMANDS];

export const VIEWS = { nextStep: 'deltaloom.nextStep', studies: 'deltaloom.studies' } as const;
export const CHECKPOINT_EDITOR = 'deltaloom.checkpoint';

export const CONTEXT_KEYS = {
  /** 'looking' | 'no-folder' | 'none' | 'some': what the workspace holds. */
  studies: 'deltaloom.studies',
  backboneMissing: 'deltaloom.backboneMissing',
  runtimeBroken: 'deltaloom.runtimeBroken',
  jobsRunning: 'deltaloom.jobsRunning',
  filtered: 'deltaloom.filtered',
  anyChecked: 'deltaloom.anyChecked',
  canTuneAgain: 'deltaloom.canTuneAgain',
  hasCheckpoints: 'deltaloom.hasCheckpoints',
  hasScores: 'deltaloom.hasScores',
  hasMerges: 'deltaloom.hasMerges',
  canMergeAgain: 'deltaloom.canMergeAgain',
  hasResults: 'deltaloom.hasResults',
  /** Steps of the walkthrough. */
  openedOnce: 'deltaloom.openedOnce',
  tunedOnce: 'deltaloom.tunedOnce',
  scoredOnce: 'deltaloom.scoredOnce',
  mergedOnce: 'deltaloom.mergedOnce',
  heatmapOnce: 'deltaloom.heatmapOnce',
  resultsOnce: 'deltaloom.resultsOnce',
} as const;
export type ContextKey = (typeof CONTEXT_KEYS)[keyof typeof CONTEXT_KEYS];

/** Without the leading `deltaloom.`. */
export const SETTINGS = {
  device: 'device',
  threads: 'threads',
  packWeights: 'packWeights',
  memoryLimit: 'memoryLimit',
  studyFolder: 'studyFolder',
  outliveWindow: 'runtime.outliveWindow',
  hangTimeout: 'runtime.hangTimeout',
  node: 'runtime.node',
  notifications: 'notifications',
  includeWeights: 'git.includeWeights',
} as const;
export type SettingKey = (typeof SETTINGS)[keyof typeof SETTINGS];

/** As VS Code names it: of which extension, and which of its walkthroughs. */
export const WALKTHROUGH = 'deltaloom.deltaloom#deltaloom.getStarted';

/** Keys of the workspace's memory. The number is the version of the blob's shape. */
export const MEMORY = {
  ownJobs: 'ownJobs.1',
  lastTuning: 'lastTuning.1',
  lastMerge: 'lastMerge.1',
  lastScore: 'lastScore.1',
  treeView: 'treeView.1',
  panels: 'panels.1',
  steps: 'walkthrough.1',
} as const;

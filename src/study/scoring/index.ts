export type { CellState, MatrixId, WantedCell } from './cells.js';
export { planCells, requestedMatrices } from './cells.js';
export type {
  MatrixStore,
  ScoredDelta,
  ScoredTarget,
  ScoringContext,
  ScoringRequest,
  StepTuning,
} from './contract.js';
export type { ScoringOutcome } from './score-study.js';
export { scoreStudy } from './score-study.js';

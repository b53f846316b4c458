import { rm } from 'node:fs/promises';
import type { Compatibility } from '../core/averaging-weights.js';
import { DeltaloomError } from '../core/errors.js';
import type { MetricName } from '../core/metric-names.js';
import type { DeltaTensors } from '../core/tensor.js';
import { scheduleFactor } from '../model/optimizers/schedule.js';
import type { Model, Training, TrainingState } from './compute/contract.js';
import type { TuningSettings } from './configuration.js';
import { evaluate, meanLoss } from './evaluation.js';
import type { Examples } from './examples.js';
import { TrainingOrder } from './training-order.js';
import {
  readTuningState,
  writeTuningState,
  type Candidate,
  type TuningProgress,
  type Validation,
} from './training-state.js';

export interface TuningInputs {
  readonly model: Model;
  /** For messages. */
  readonly task: string;
  readonly metric: MetricName;
  readonly train: Examples;
  /** null: nothing is validated and the last step is kept. */
  readonly dev: Examples | null;
  readonly initial: DeltaTensors;
  readonly settings: TuningSettings;
  /** Of order, answers and dropout. */
  readonly seed: number;
  readonly dropout: number;
  readonly maxAnswerLength: number;
  readonly compatibility: Compatibility;
  /** `best`: of all validations, the initialisation included; `last`: after the last step. */
  readonly keep: 'best' | 'last';
  /** Identity of the whole tuning: a state of other inputs is not continued. */
  readonly key: string;
  /** Absolute path of the file that keeps where the tuning stands. */
  readonly stateFile: string;
}

export interface TuningStep {
  readonly setting: { readonly learningRate: number; readonly batchSize: number };
  /** Over all settings of the grid. */
  readonly done: number;
  readonly total: number;
  /** In the setting in hand. */
  readonly step: number;
  readonly loss: number | null;
  readonly metric: number | null;
}

export interface TuningHooks {
  readonly signal: AbortSignal;
  readonly progress: (step: TuningStep) => void;
  readonly log: (line: string) => void;
}

export interface TuningResult {
  readonly delta: DeltaTensors;
  /** The setting that won, with its curves. */
  readonly winner: Candidate;
  /** Of the whole dev split; null without one. */
  readonly dev: number | null;
  readonly devLoss: number | null;
  readonly seconds: number;
}

/** Thrown when the signal aborted; carries what had been validated by then. */
export class TuningCancelled extends Error {
  constructor(
    readonly reason: unknown,
    /** null: nothing was validated yet. */
    readonly kept: TuningResult | null,
  ) {
    super('The tuning was cancelled.');
    this.name = 'TuningCancelled';
  }
}

/** Between two validations the state is written at most this often, in milliseconds. */
const SAVE_EVERY_MS = 5000;

/**
 * Tunes a delta with every setting of the grid in turn and keeps the best on dev (ties: the lower dev loss, then the
 * earlier). Where it stands is written after every validation and every few seconds; killed at any moment and called again
 * with the same inputs, it continues and ends with the same bytes as if it had not been disturbed.
 *
 * @throws TuningCancelled when the signal aborts; DeltaloomError `tuning-diverged` when every setting ended in NaN
 */
export async function tune(inputs: TuningInputs, hooks: TuningHooks): Promise<TuningResult> {
  const tuning = new Tuning(inputs, hooks);
  await tuning.open();
  return tuning.run();
}

/** Removes the state of a tuning that is on record. */
export async function forgetTuning(stateFile: string): Promise<void> {
  await rm(stateFile, { force: true });
}

class Tuning {
  private progress: TuningProgress;
  private resumed: TrainingState | null = null;
  private kept: DeltaTensors | null = null;
  private winner: DeltaTensors | null = null;
  private readonly grid: readonly { learningRate: number; batchSize: number }[];
  private readonly dev: Examples | null;
  private lastMark = performance.now();
  private lastSave = performance.now();

  constructor(
    private readonly inputs: TuningInputs,
    private readonly hooks: TuningHooks,
  ) {
    const { settings, dev } = inputs;
    this.grid = settings.learningRates.flatMap((learningRate) =>
      settings.batchSizes.map((batchSize) => ({ learningRate, batchSize })),
    );
    this.dev = dev === null ? null : firstExamples(dev, settings.validateOn);
    this.progress = {
      format: 1,
      key: inputs.key,
      seconds: 0,
      index: 0,
      current: this.begin(0),
      winner: null,
      start: null,
    };
  }

  async open(): Promise<void> {
    const state = await readTuningState(this.inputs.stateFile, this.inputs.key);
    if (state === null) return;
    this.progress = state.progress;
    this.resumed = state.training;
    this.kept = state.kept;
    this.winner = state.winner;
    const { current, index } = state.progress;
    this.hooks.log(`Continuing at step ${current.steps} of setting ${index + 1} of ${this.grid.length}.`);
  }

  async run(): Promise<TuningResult> {
    try {
      if (this.progress.start === null) await this.validateStart();
      while (this.progress.index < this.grid.length) {
        await this.runCandidate();
        this.settle();
        if (this.progress.index < this.grid.length) await this.save(null);
      }
      return await this.result();
    } catch (error) {
      if (!this.hooks.signal.aborted || error !== this.hooks.signal.reason) throw error;
      throw new TuningCancelled(error, this.soFar());
    }
  }

  private begin(index: number): Candidate {
    const setting = this.grid[index] ?? { learningRate: 0, batchSize: 1 };
    return {
      ...setting,
      train: [],
      dev: [],
      best: null,
      withoutImprovement: 0,
      steps: 0,
      diverged: false,
      pending: { loss: 0, steps: 0 },
    };
  }

  /** The initialisation is a candidate too: a merge that tuning only spoils should be kept as it is. */
  private async validateStart(): Promise<void> {
    const { keep, compatibility, initial } = this.inputs;
    if (this.dev === null || keep === 'last' || compatibility === 'reference') return;
    this.progress.start = await this.validate(initial, 0);
  }

  private async runCandidate(): Promise<void> {
    const { model, settings, dropout, seed, initial, train, compatibility } = this.inputs;
    const { current } = this.progress;
    const { start } = this.progress;
    if (current.steps === 0 && start !== null) {
      current.dev.push(start);
      current.best = start;
      this.kept = initial;
    }
    const order = new TrainingOrder(train.tokens, {
      batchSize: current.batchSize,
      seed,
      byLength: compatibility === 'default',
    });
    const training = await model.train(this.resumed ?? initial, {
      optimizer: { name: settings.optimizer, clip: settings.clip, weightDecay: settings.weightDecay },
      dropout,
      seed,
    });
    this.resumed = null;
    try {
      while (!this.finished(current)) {
        await this.stopIfAborted(training);
        await this.advance(training, order, current);
        if (current.diverged) break;
        await this.validateIfDue(training, current);
      }
    } finally {
      training.dispose();
    }
  }

  private finished(current: Candidate): boolean {
    const { steps, patience } = this.inputs.settings;
    return (
      current.diverged || current.steps >= steps || (patience > 0 && current.withoutImprovement >= patience)
    );
  }

  private async advance(training: Training, order: TrainingOrder, current: Candidate): Promise<void> {
    const { settings, compatibility, task } = this.inputs;
    const step = current.steps + 1;
    const learningRate =
      current.learningRate *
      scheduleFactor(
        {
          kind: settings.schedule,
          // The reference's constant schedule has no warm-up, whatever it is told.
          warmupSteps:
            compatibility === 'reference' && settings.schedule === 'constant' ? 0 : settings.warmup,
          totalSteps: settings.steps,
        },
        step,
      );
    const loss = await lossOfStep(training, order, step, learningRate);
    current.steps = step;
    if (!Number.isFinite(loss)) {
      current.diverged = true;
      this.hooks.log(
        `${task}: the loss is not finite at step ${step} (learning rate ${current.learningRate}); this setting ends.`,
      );
      return;
    }
    current.pending.loss += loss;
    current.pending.steps++;
    if (step % settings.logEvery === 0 || step === settings.steps) {
      current.train.push({ step, loss: current.pending.loss / current.pending.steps, learningRate });
      current.pending = { loss: 0, steps: 0 };
    }
    this.report(loss, null);
  }

  private async validateIfDue(training: Training, current: Candidate): Promise<void> {
    const { settings, keep } = this.inputs;
    const last = current.steps >= settings.steps;
    if (current.steps % settings.validateEvery !== 0 && !last) {
      if (performance.now() - this.lastSave > SAVE_EVERY_MS) await this.save(await training.state());
      return;
    }
    const state = await training.state();
    if (this.dev === null) {
      if (last) this.kept = state.delta;
    } else {
      const validation = await this.validate(state.delta, current.steps);
      current.dev.push(validation);
      const better = current.best === null || this.isBetter(validation, current.best);
      if (better || (last && keep === 'last')) {
        current.best = validation;
        this.kept = state.delta;
      }
      current.withoutImprovement = better ? 0 : current.withoutImprovement + 1;
      this.hooks.log(
        `Step ${current.steps}: dev ${this.inputs.metric} ${shown(validation.metric)}, loss ${shown(validation.loss)}${better ? ' (best so far)' : ''}`,
      );
      this.report(null, validation.metric);
    }
    await this.save(state);
  }

  private async validate(delta: DeltaTensors, step: number): Promise<Validation> {
    const { model, metric, maxAnswerLength: maxLength, compatibility } = this.inputs;
    if (this.dev === null) throw new Error('there is nothing to validate on');
    const options = { metric, maxLength, compatibility, signal: this.hooks.signal };
    const loss = await meanLoss(model, delta, this.dev, options);
    // Weights that are not finite decode to something too; it must not win.
    if (loss === null) return { step, metric: null, loss };
    return { step, metric: (await evaluate(model, delta, this.dev, options)).metric, loss };
  }

  /** By metric, ties by loss. The reference takes every tie for an improvement. */
  private isBetter(candidate: Validation, best: Validation): boolean {
    const [own, other] = [candidate.metric ?? -Infinity, best.metric ?? -Infinity];
    if (own !== other) return own > other;
    if (this.inputs.compatibility === 'reference') return true;
    return (candidate.loss ?? Infinity) < (best.loss ?? Infinity);
  }

  /** The setting in hand is finished: is it the best so far? */
  private settle(): void {
    const { current, winner, index } = this.progress;
    const usable =
      this.kept !== null &&
      isFiniteDelta(this.kept) &&
      !(current.diverged && (current.best?.step ?? 0) === 0);
    const wins =
      winner === null ||
      (current.best !== null && winner.best !== null && this.isStrictlyBetter(current.best, winner.best));
    if (usable && wins) {
      this.progress.winner = current;
      this.winner = this.kept;
    }
    this.kept = null;
    this.progress.index = index + 1;
    this.progress.current = this.begin(index + 1);
  }

  private isStrictlyBetter(candidate: Validation, best: Validation): boolean {
    const [own, other] = [candidate.metric ?? -Infinity, best.metric ?? -Infinity];
    return own > other || (own === other && (candidate.loss ?? Infinity) < (best.loss ?? Infinity));
  }

  private async result(): Promise<TuningResult> {
    const { winner } = this.progress;
    if (winner === null || this.winner === null) {
      const rates = this.inputs.settings.learningRates.join(', ');
      throw new DeltaloomError(
        'tuning-diverged',
        `Tuning ${this.inputs.task} ended in a loss that is not finite (learning rates tried: ${rates}).`,
        { remedy: 'Lower the learning rate, add a warm-up, or check the initial checkpoint.' },
      );
    }
    let { metric: dev = null, loss: devLoss = null } = winner.best ?? {};
    const { dev: all, model, metric, compatibility, maxAnswerLength: maxLength } = this.inputs;
    if (all !== null && this.dev !== null && all.tokens.length > this.dev.tokens.length) {
      const options = { metric, maxLength, compatibility, signal: this.hooks.signal };
      dev = (await evaluate(model, this.winner, all, options)).metric;
      devLoss = await meanLoss(model, this.winner, all, options);
    }
    this.mark();
    return { delta: this.winner, winner, dev, devLoss, seconds: this.progress.seconds };
  }

  /** What a cancelled tuning leaves: the best that was validated in a step of training. */
  private soFar(): TuningResult | null {
    this.mark();
    const { current, winner } = this.progress;
    const { seconds } = this.progress;
    const of = (candidate: Candidate, delta: DeltaTensors): TuningResult => ({
      delta,
      winner: candidate,
      dev: candidate.best?.metric ?? null,
      devLoss: candidate.best?.loss ?? null,
      seconds,
    });
    const ownIsBest =
      current.best !== null &&
      (winner?.best === undefined ||
        winner.best === null ||
        this.isStrictlyBetter(current.best, winner.best));
    if (this.kept !== null && ownIsBest) return of(current, this.kept);
    return winner !== null && this.winner !== null ? of(winner, this.winner) : null;
  }

  private async stopIfAborted(training: Training): Promise<void> {
    const { signal } = this.hooks;
    if (!signal.aborted) return;
    if (this.progress.current.steps > 0) await this.save(await training.state());
    signal.throwIfAborted();
  }

  private async save(training: TrainingState | null): Promise<void> {
    this.mark();
    await writeTuningState(this.inputs.stateFile, {
      progress: this.progress,
      training,
      kept: this.kept,
      winner: this.winner,
    });
    this.lastSave = performance.now();
  }

  private mark(): void {
    const now = performance.now();
    this.progress.seconds += (now - this.lastMark) / 1000;
    this.lastMark = now;
  }

  private report(loss: number | null, metric: number | null): void {
    const { current, index } = this.progress;
    const { steps } = this.inputs.settings;
    this.hooks.progress({
      setting: { learningRate: current.learningRate, batchSize: current.batchSize },
      done: index * steps + current.steps,
      total: this.grid.length * steps,
      step: current.steps,
      loss,
      metric: metric ?? current.best?.metric ?? null,
    });
  }
}

/** NaN where the model says that the step diverged: other settings of the grid may still do. */
async function lossOfStep(
  training: Training,
  order: TrainingOrder,
  step: number,
  learningRate: number,
): Promise<number> {
  try {
    return (await training.advance(order.batch(step), learningRate)).loss;
  } catch (error) {
    if (error instanceof DeltaloomError && error.code === 'training-diverged') return Number.NaN;
    throw error;
  }
}

function isFiniteDelta(delta: DeltaTensors): boolean {
  return [...delta.values()].every(({ data }) => data.every((value) => Number.isFinite(value)));
}

function firstExamples(examples: Examples, count: number | undefined): Examples {
  if (count === undefined || count >= examples.tokens.length) return examples;
  return { texts: examples.texts.slice(0, count), tokens: examples.tokens.slice(0, count) };
}

function shown(value: number | null): string {
  return value === null ? 'undefined' : value.toFixed(4);
}

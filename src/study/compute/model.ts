import { DeltaloomError } from '../../core/errors.js';
import type { DeltaSettings } from '../../core/delta-settings.js';
import type { DeltaTensors, Tensor } from '../../core/tensor.js';
import type { DeviceTensor, Engine, Executable, HostTensor, Program } from '../../engine/contract.js';
import { blockNames, sublayers } from '../../model/architecture.js';
import { initialDelta } from '../../model/deltas/initial.js';
import { deltaShapes } from '../../model/deltas/shapes.js';
import { adafactor } from '../../model/optimizers/adafactor.js';
import { adamw } from '../../model/optimizers/adamw.js';
import type { Optimizer } from '../../model/optimizers/contract.js';
import type { OpenedBackbone } from './backbone.js';
import { noGradient, runAccumulated } from './accumulation.js';
import type { Fits } from './batch-parts.js';
import { checkDelta } from './check-delta.js';
import type {
  Backbone,
  Batch,
  Model,
  OptimizerSettings,
  SweepStatistics,
  Teacher,
  Training,
  TrainingState,
} from './contract.js';
import { takeFloats, takeNumber, takeTensor } from './device-values.js';
import { generateGreedily } from './generation.js';
import { BatchInputs, deltaTensors, type HostTensors } from './program-inputs.js';
import {
  logitsProgram,
  sweepProgram,
  teacherInput,
  teacherOutputs,
  teachProgram,
  type ProgramModel,
} from './programs.js';
import { activationsFit, stepMemory } from './step-memory.js';
import {
  gradientNormsProgram,
  gradientOutput,
  gradientsProgram,
  trainStepProgram,
} from './training-programs.js';
import { DeviceTraining, isTrainingState } from './training.js';

export interface OpenModelOptions {
  /** Bytes that a step may hold for its backward pass; larger batches go through in parts. By the backbone's size unless told. */
  readonly stepMemory?: number;
}

/**
 * A backbone with one kind of delta on one device; null for the backbone alone. Programs are compiled when first needed and kept
 * until the model is disposed. `backbone` comes from `openBackbone`.
 */
export function openModel(
  backbone: Backbone,
  delta: DeltaSettings | null,
  engine: Engine,
  options: OpenModelOptions = {},
): Promise<Model> {
  if (!('frozen' in backbone && 'config' in backbone)) {
    throw new TypeError('openModel needs a backbone from openBackbone.');
  }
  const opened = backbone as OpenedBackbone;
  const memory = options.stepMemory ?? stepMemory(opened.parameters);
  return Promise.resolve(new DeviceModel(opened, delta, engine, memory));
}

type Outputs = Record<string, DeviceTensor>;

class DeviceModel implements Model {
  readonly blocks: readonly string[];
  readonly layers: readonly string[];
  readonly deltaShapes: ReadonlyMap<string, readonly number[]>;
  readonly device: Engine['device'];

  private readonly programModel: ProgramModel;
  private readonly batchInputs: BatchInputs;
  private readonly executables = new Map<string, Promise<Executable>>();
  private zeros: HostTensor | null = null;

  constructor(
    readonly backbone: OpenedBackbone,
    readonly delta: DeltaSettings | null,
    private readonly engine: Engine,
    private readonly stepMemory: number,
  ) {
    const architecture = backbone.config;
    this.device = engine.device;
    this.blocks = blockNames(architecture);
    this.layers = sublayers(architecture).map(({ name }) => name);
    this.deltaShapes = delta === null ? new Map() : deltaShapes(architecture, delta);
    const prefix = delta?.type === 'prefix' ? delta.length : 0;
    this.programModel = {
      architecture,
      tied: backbone.tied,
      delta,
      trained: this.deltaShapes,
      trainsBackbone: false,
      prefix,
    };
    this.batchInputs = new BatchInputs(architecture, prefix);
  }

  initialDelta(seed: number): DeltaTensors {
    if (this.delta === null) throw noDelta();
    return initialDelta(this.backbone.config, this.delta, seed);
  }

  async teach(delta: DeltaTensors | null, batch: Batch): Promise<Teacher> {
    const outputs = await this.runForward('teach', teachProgram, delta, batch);
    return new DeviceTeacher(outputs, batch);
  }

  async sweep(delta: DeltaTensors | null, batch: Batch, teacher: Teacher | null): Promise<SweepStatistics> {
    const extra: Record<string, DeviceTensor> = {};
    if (teacher !== null) {
      if (!(teacher instanceof DeviceTeacher) || !teacher.knows(batch)) {
        throw new RangeError('The teacher was made by another model or on another batch.');
      }
      for (const name of teacherOutputs(this.programModel.architecture)) {
        const tensor = teacher.outputs[name];
        if (tensor !== undefined) extra[teacherInput(name)] = tensor;
      }
    }
    const outputs = await this.runForward(
      teacher === null ? 'sweep' : 'sweep-with-teacher',
      (model) => sweepProgram(model, teacher !== null),
      delta,
      batch,
      extra,
    );
    const cosines = teacher === null ? null : await takeFloats(outputs, 'hiddenCosine');
    return {
      labelMask: Float32Array.from(batch.labels, (label) => (label >= 0 ? 1 : 0)),
      loss: await takeFloats(outputs, 'loss'),
      el2n: await takeFloats(outputs, 'el2n'),
      logitsLabelCosine: await takeFloats(outputs, 'logitsLabelCosine'),
      klDivergence: teacher === null ? null : await takeFloats(outputs, 'klDivergence'),
      hiddenCosine:
        cosines === null
          ? null
          : new Map(
              this.blocks.map((block, index) => [
                block,
                cosines.slice(index * batch.size, (index + 1) * batch.size),
              ]),
            ),
    };
  }

  async gradientNorms(
    delta: DeltaTensors,
    batch: Batch,
  ): Promise<{ loss: number; squaredNorms: ReadonlyMap<string, number> }> {
    this.requireDelta();
    const tensors = this.checkedDelta(delta);
    const executable = await this.compile('gradient-norms', () => gradientNormsProgram(this.programModel));
    this.zeros ??= noGradient(this.deltaShapes);
    const { outputs, loss } = await runAccumulated(
      batch,
      this.fits(false),
      this.zeros,
      (part, accumulation) =>
        executable.run({ ...this.forwardInputs(part.batch), ...tensors, ...accumulation }),
    );
    const squares = await takeFloats(outputs, 'squaredNorms');
    const names = [...this.deltaShapes.keys()];
    return { loss, squaredNorms: new Map(names.map((name, index) => [name, squares[index] ?? 0])) };
  }

  async gradients(delta: DeltaTensors, batch: Batch): Promise<{ loss: number; gradients: DeltaTensors }> {
    this.requireDelta();
    const outputs = await this.runForward('gradients', gradientsProgram, delta, batch);
    const gradients = new Map<string, Tensor>();
    for (const [name, shape] of this.deltaShapes) {
      gradients.set(name, { shape, data: await takeFloats(outputs, gradientOutput(name)) });
    }
    return { loss: await takeNumber(outputs['loss']), gradients };
  }

  async logits(
    delta: DeltaTensors | null,
    batch: Batch,
  ): Promise<{ loss: number; logits: Tensor; encoderLastHiddenState: Tensor }> {
    const outputs = await this.runForward('logits', logitsProgram, delta, batch);
    return {
      loss: await takeNumber(outputs['loss']),
      logits: await takeTensor(outputs, 'logits'),
      encoderLastHiddenState: await takeTensor(outputs, 'encoderLastHiddenState'),
    };
  }

  async generate(delta: DeltaTensors | null, batch: Batch, maxLength: number): Promise<Int32Array[]> {
    return generateGreedily({
      model: this.programModel,
      batchInputs: this.batchInputs,
      compile: (key, make) => this.compile(key, make),
      delta: this.checkedDelta(delta),
      batch,
      maxLength,
    });
  }

  async train(
    from: DeltaTensors | TrainingState,
    options: { optimizer: OptimizerSettings; dropout: number; seed: number },
  ): Promise<Training> {
    this.requireDelta();
    this.checkedDelta(isTrainingState(from) ? from.delta : from);
    const { name, clip, weightDecay } = options.optimizer;
    const optimizer = openOptimizer(options.optimizer);
    const key = `train-step ${name} ${clip} ${weightDecay} ${options.dropout}`;
    const executable = await this.compile(key, () =>
      trainStepProgram(this.programModel, optimizer, { clip, dropout: options.dropout }),
    );
    return new DeviceTraining({
      executable,
      batchInputs: this.batchInputs,
      optimizer,
      parameterShapes: this.deltaShapes,
      from,
      dropout: options.dropout,
      seed: options.seed,
      fits: this.fits(options.dropout > 0),
    });
  }

  async dispose(): Promise<void> {
    for (const executable of this.executables.values()) await (await executable).dispose();
    this.executables.clear();
  }

  private async runForward(
    key: string,
    program: (model: ProgramModel) => Program,
    delta: DeltaTensors | null,
    batch: Batch,
    extra: Record<string, DeviceTensor> = {},
  ): Promise<Outputs> {
    const tensors = this.checkedDelta(delta);
    const executable = await this.compile(key, () => program(this.programModel));
    return executable.run({ ...this.forwardInputs(batch), ...tensors, ...extra });
  }

  private forwardInputs(batch: Batch): HostTensors {
    return { ...this.batchInputs.encoder(batch), ...this.batchInputs.decoder(batch) };
  }

  private fits(dropout: boolean): Fits {
    const { architecture, delta } = this.programModel;
    return activationsFit({ architecture, delta, dropout }, this.stepMemory);
  }

  private compile(key: string, make: () => Program): Promise<Executable> {
    let executable = this.executables.get(key);
    if (executable === undefined) {
      executable = this.engine.compile(make(), this.backbone.frozen);
      this.executables.set(key, executable);
      // A failed compilation is not kept: the next call tries again.
      executable.catch(() => this.executables.delete(key));
    }
    return executable;
  }

  private checkedDelta(delta: DeltaTensors | null): HostTensors {
    if (delta === null) {
      if (this.delta !== null) {
        throw new DeltaloomError('delta-missing', `This model needs the tensors of its ${this.delta.type}.`, {
          remedy: 'Open the backbone without a delta to use it alone.',
        });
      }
      return {};
    }
    if (this.delta === null) throw noDelta();
    checkDelta(delta, this.deltaShapes, this.delta, this.backbone.name);
    return deltaTensors(delta);
  }

  private requireDelta(): void {
    if (this.delta === null) throw noDelta();
  }
}

class DeviceTeacher implements Teacher {
  constructor(
    readonly outputs: Outputs,
    private readonly batch: Batch,
  ) {}

  knows(batch: Batch): boolean {
    const own = this.batch;
    return (
      own === batch ||
      (own.size === batch.size &&
        own.sourceLength === batch.sourceLength &&
        own.targetLength === batch.targetLength &&
        own.inputIds.every((id, index) => id === batch.inputIds[index]))
    );
  }

  dispose(): void {
    for (const tensor of Object.values(this.outputs)) tensor.dispose();
  }
}

export function openOptimizer({
  name,
  weightDecay,
  scaleParameter = false,
}: OptimizerSettings & { readonly scaleParameter?: boolean }): Optimizer {
  return name === 'adafactor' ? adafactor({ weightDecay, scaleParameter }) : adamw({ weightDecay });
}

function noDelta(): DeltaloomError {
  return new DeltaloomError('delta-unexpected', 'This model is the backbone alone, without a delta.', {
    remedy: 'Open the model with the settings of the delta.',
  });
}

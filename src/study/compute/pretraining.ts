import type { DeltaTensors, Tensor } from '../../core/tensor.js';
import { sizeOfShape } from '../../core/tensor.js';
import type { Engine, Executable, Program } from '../../engine/contract.js';
import type { T5Config } from '../../formats/t5-config.js';
import { expectedT5Weights } from '../../formats/t5-weights.js';
import { EMBEDDING, innerSize, OUTPUT } from '../../model/architecture.js';
import { Random } from '../../model/random.js';
import type { Batch, OptimizerSettings, Training, TrainingState } from './contract.js';
import { generateGreedily } from './generation.js';
import { openOptimizer } from './model.js';
import { BatchInputs, deltaTensors } from './program-inputs.js';
import { logitsProgram, type ProgramModel } from './programs.js';
import { takeNumber } from './device-values.js';
import { trainStepProgram } from './training-programs.js';
import { DeviceTraining } from './training.js';

/** A small T5 with every parameter trained. Parameters travel as a `DeltaTensors` of Hugging Face names. */
export interface Pretraining {
  readonly parameterShapes: ReadonlyMap<string, readonly number[]>;
  initialParameters(seed: number): DeltaTensors;
  /** `scaleParameter` multiplies Adafactor's rate by each parameter's RMS (Hugging Face's `scale_parameter`). */
  train(
    from: DeltaTensors | TrainingState,
    options: {
      optimizer: OptimizerSettings & { scaleParameter: boolean };
      dropout: number;
      seed: number;
    },
  ): Promise<Training>;
  /** Mean token loss of a batch, without dropout. */
  loss(parameters: DeltaTensors, batch: Batch): Promise<number>;
  /** As `Model.generate`. */
  generate(parameters: DeltaTensors, batch: Batch, maxLength: number): Promise<Int32Array[]>;
  dispose(): Promise<void>;
}

/**
 * Opens the training of a whole backbone. The gradient of the embedding is a product with one-hot ids: meant for vocabularies of
 * a few thousand words. The head is untied exactly where the configuration does not scale the logits (v1.1).
 */
export function openPretraining(config: T5Config, engine: Engine): Pretraining {
  return new DevicePretraining(config, engine);
}

class DevicePretraining implements Pretraining {
  readonly parameterShapes: ReadonlyMap<string, readonly number[]>;
  private readonly programModel: ProgramModel;
  private readonly batchInputs: BatchInputs;
  private readonly executables = new Map<string, Promise<Executable>>();

  constructor(
    private readonly config: T5Config,
    private readonly engine: Engine,
  ) {
    const shapes = expectedT5Weights(config);
    const tied = config.scalesLogits;
    if (!tied) shapes.set(OUTPUT, [config.vocabularySize, config.modelSize]);
    this.parameterShapes = shapes;
    this.programModel = {
      architecture: config,
      tied,
      delta: null,
      trained: shapes,
      trainsBackbone: true,
      prefix: 0,
    };
    this.batchInputs = new BatchInputs(config, 0);
  }

  /**
   * As Mesh TensorFlow starts a T5: weights normal with the deviation that keeps activations of unit size; an untied head so
   * that the first logits are of unit size.
   */
  initialParameters(seed: number): DeltaTensors {
    const tensors = new Map<string, Tensor>();
    let index = 0;
    for (const [name, shape] of this.parameterShapes) {
      const random = new Random(seed, index++);
      const deviation = this.initialDeviation(name);
      const data = Float32Array.from({ length: sizeOfShape(shape) }, () =>
        deviation === null ? 1 : random.normal() * deviation,
      );
      tensors.set(name, { shape, data });
    }
    return tensors;
  }

  /** Null: all ones. */
  private initialDeviation(name: string): number | null {
    const { modelSize, headSize, feedForwardSize } = this.config;
    if (name.includes('layer_norm')) return null;
    if (name === EMBEDDING) return 1;
    if (name.endsWith('.q.weight')) return (modelSize * headSize) ** -0.5;
    if (/Attention\.o\.weight$/.test(name)) return innerSize(this.config) ** -0.5;
    if (name.endsWith('.wo.weight')) return feedForwardSize ** -0.5;
    return modelSize ** -0.5;
  }

  async train(
    from: DeltaTensors | TrainingState,
    options: {
      optimizer: OptimizerSettings & { scaleParameter: boolean };
      dropout: number;
      seed: number;
    },
  ): Promise<Training> {
    const { name, clip, weightDecay, scaleParameter } = options.optimizer;
    const optimizer = openOptimizer(options.optimizer);
    const key = `train-step ${name} ${clip} ${weightDecay} ${scaleParameter} ${options.dropout}`;
    const executable = await this.compile(key, () =>
      trainStepProgram(this.programModel, optimizer, { clip, dropout: options.dropout }),
    );
    return new DeviceTraining({
      executable,
      batchInputs: this.batchInputs,
      optimizer,
      parameterShapes: this.parameterShapes,
      from,
      dropout: options.dropout,
      seed: options.seed,
      // A backbone that is trained whole here is small.
      fits: () => true,
    });
  }

  async loss(parameters: DeltaTensors, batch: Batch): Promise<number> {
    const executable = await this.compile('logits', () => logitsProgram(this.programModel));
    const { loss, logits, encoderLastHiddenState } = await executable.run({
      ...this.batchInputs.encoder(batch),
      ...this.batchInputs.decoder(batch),
      ...deltaTensors(parameters),
    });
    logits?.dispose();
    encoderLastHiddenState?.dispose();
    return takeNumber(loss);
  }

  generate(parameters: DeltaTensors, batch: Batch, maxLength: number): Promise<Int32Array[]> {
    return generateGreedily({
      model: this.programModel,
      batchInputs: this.batchInputs,
      compile: (key, make) => this.compile(key, make),
      delta: deltaTensors(parameters),
      batch,
      maxLength,
    });
  }

  async dispose(): Promise<void> {
    for (const executable of this.executables.values()) await (await executable).dispose();
    this.executables.clear();
  }

  private compile(key: string, make: () => Program): Promise<Executable> {
    let executable = this.executables.get(key);
    if (executable === undefined) {
      executable = this.engine.compile(make(), new Map());
      this.executables.set(key, executable);
      executable.catch(() => this.executables.delete(key));
    }
    return executable;
  }
}

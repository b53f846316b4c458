import { DeltaloomError } from '../../core/errors.js';
import { sizeOfShape, type DeltaTensors, type Tensor } from '../../core/tensor.js';
import type { DeviceTensor, Executable, HostTensor } from '../../engine/contract.js';
import type { Optimizer } from '../../model/optimizers/contract.js';
import type { Batch, Training, TrainingState } from './contract.js';
import { deltaInput, hostFloat32, stateInput, type BatchInputs } from './program-inputs.js';

export interface TrainingOptions {
  readonly executable: Executable;
  readonly batchInputs: BatchInputs;
  readonly optimizer: Optimizer;
  readonly parameterShapes: ReadonlyMap<string, readonly number[]>;
  /** As from `optimizerShapes`. */
  readonly stateShapes: ReadonlyMap<string, readonly number[]>;
  readonly from: DeltaTensors | TrainingState;
  readonly dropout: number;
  readonly seed: number;
}

/** Parameters and optimizer state stay on the device from step to step. */
export class DeviceTraining implements Training {
  private count: number;
  private readonly tensors = new Map<string, HostTensor | DeviceTensor>();

  constructor(private readonly options: TrainingOptions) {
    const { from, parameterShapes, stateShapes } = options;
    const state = isTrainingState(from) ? from : undefined;
    const parameters = isTrainingState(from) ? from.delta : from;
    this.count = state?.step ?? 0;
    for (const [name, shape] of parameterShapes) {
      this.tensors.set(deltaInput(name), hostOf(parameters, name, shape));
    }
    for (const [name, shape] of stateShapes) {
      const tensor =
        state === undefined
          ? hostFloat32(new Float32Array(sizeOfShape(shape)), ...shape)
          : hostOf(state.optimizer, name, shape);
      this.tensors.set(stateInput(name), tensor);
    }
  }

  get step(): number {
    return this.count;
  }

  async advance(batch: Batch, learningRate: number): Promise<{ loss: number; gradientNorm: number }> {
    const { executable, batchInputs, optimizer, dropout, seed } = this.options;
    const step = this.count + 1;
    const { first, second } = optimizer.scalars(step);
    const outputs: Record<string, DeviceTensor> = await executable.run({
      ...batchInputs.encoder(batch),
      ...batchInputs.decoder(batch),
      ...(dropout > 0 ? batchInputs.dropout(batch, seed, step) : {}),
      ...Object.fromEntries(this.tensors),
      learningRate: hostFloat32(Float32Array.of(learningRate), 1),
      first: hostFloat32(Float32Array.of(first), 1),
      second: hostFloat32(Float32Array.of(second), 1),
    });
    const loss = await takeNumber(outputs['loss']);
    const gradientNorm = await takeNumber(outputs['gradientNorm']);
    for (const [name, before] of this.tensors) {
      const after = outputs[name];
      if (after === undefined) throw new RangeError(`The step did not return '${name}'.`);
      disposeTensor(before);
      this.tensors.set(name, after);
    }
    this.count = step;
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new DeltaloomError(
        'training-diverged',
        `The loss is ${loss} and the gradient norm ${gradientNorm} at step ${step}.`,
        { remedy: 'Lower the learning rate, or clip the gradients.' },
      );
    }
    return { loss, gradientNorm };
  }

  async state(): Promise<TrainingState> {
    return {
      step: this.count,
      delta: await this.read(this.options.parameterShapes, deltaInput),
      optimizer: await this.read(this.options.stateShapes, stateInput),
    };
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) disposeTensor(tensor);
    this.tensors.clear();
  }

  private async read(
    shapes: ReadonlyMap<string, readonly number[]>,
    inputName: (name: string) => string,
  ): Promise<Map<string, Tensor>> {
    const result = new Map<string, Tensor>();
    for (const [name, shape] of shapes) {
      const tensor = this.tensors.get(inputName(name));
      if (tensor === undefined) throw new RangeError(`This training was disposed, or has no '${name}'.`);
      const data = isOnDevice(tensor) ? await tensor.data() : tensor.data;
      result.set(name, { shape, data: Float32Array.from(data) });
    }
    return result;
  }
}

export function isTrainingState(from: DeltaTensors | TrainingState): from is TrainingState {
  return 'optimizer' in from;
}

/** Reads a number and frees its tensor. */
export async function takeNumber(tensor: DeviceTensor | undefined): Promise<number> {
  const value = (await tensor?.data())?.[0];
  tensor?.dispose();
  if (value === undefined) throw new RangeError('The program returned no number.');
  return value;
}

/** A copy: a caller may go on changing what it gave, and a resumed state is left as it is. */
function hostOf(tensors: DeltaTensors, name: string, shape: readonly number[]): HostTensor {
  const tensor = tensors.get(name);
  if (tensor?.shape.join() !== shape.join()) {
    throw new DeltaloomError(
      'training-state-mismatch',
      `The training state has '${name}' of shape [${tensor?.shape.join(', ') ?? 'none'}], and [${shape.join(', ')}] is needed.`,
      { place: { at: name }, remedy: 'Begin this training anew: it was saved by other settings.' },
    );
  }
  return hostFloat32(Float32Array.from(tensor.data), ...shape);
}

function disposeTensor(tensor: HostTensor | DeviceTensor): void {
  if (isOnDevice(tensor)) tensor.dispose();
}

function isOnDevice(tensor: HostTensor | DeviceTensor): tensor is DeviceTensor {
  return typeof tensor.data === 'function';
}

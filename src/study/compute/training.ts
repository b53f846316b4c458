import { DeltaloomError } from '../../core/errors.js';
import { sizeOfShape, type DeltaTensors, type Tensor } from '../../core/tensor.js';
import type { DeviceTensor, Executable, HostTensor } from '../../engine/contract.js';
import type { Optimizer } from '../../model/optimizers/contract.js';
import { noGradient, runAccumulated } from './accumulation.js';
import type { Fits } from './batch-parts.js';
import type { Batch, Training, TrainingState } from './contract.js';
import { disposeTensor, isOnDevice, takeNumber } from './device-values.js';
import { parameterGroups, stack, stackedShape, unstack, type ParameterGroup } from './parameter-groups.js';
import { hostFloat32, type BatchInputs } from './program-inputs.js';
import { parametersInput, stateInput } from './training-programs.js';

export interface TrainingOptions {
  readonly executable: Executable;
  readonly batchInputs: BatchInputs;
  readonly optimizer: Optimizer;
  readonly parameterShapes: ReadonlyMap<string, readonly number[]>;
  readonly from: DeltaTensors | TrainingState;
  readonly dropout: number;
  readonly seed: number;
  /** A batch that does not fit goes through the model in parts. */
  readonly fits: Fits;
}

/** A stack of tensors that stays on the device from step to step. */
interface Kept {
  readonly group: ParameterGroup;
  tensor: HostTensor | DeviceTensor;
}

/** Parameters and optimizer state stay on the device from step to step. */
export class DeviceTraining implements Training {
  private count: number;
  private readonly kept = new Map<string, Kept>();
  private readonly zeros: HostTensor;

  constructor(private readonly options: TrainingOptions) {
    const { from, optimizer, parameterShapes } = options;
    const resumed = isTrainingState(from) ? from : undefined;
    const parameters = isTrainingState(from) ? from.delta : from;
    this.count = resumed?.step ?? 0;
    this.zeros = noGradient(parameterShapes);
    for (const group of parameterGroups(parameterShapes)) {
      this.kept.set(parametersInput(group), { group, tensor: stackOf(group, parameters) });
      for (const [state, shape] of Object.entries(optimizer.stateShapes(group.shape))) {
        const states = stateGroup(group, state, shape);
        const begun = stackedShape(states);
        const tensor =
          resumed === undefined
            ? hostFloat32(new Float32Array(sizeOfShape(begun)), ...begun)
            : stackOf(states, resumed.optimizer);
        this.kept.set(stateInput(group, state), { group: states, tensor });
      }
    }
  }

  get step(): number {
    return this.count;
  }

  async advance(batch: Batch, learningRate: number): Promise<{ loss: number; gradientNorm: number }> {
    const { executable, batchInputs, optimizer, dropout, seed, fits } = this.options;
    const step = this.count + 1;
    const { first, second } = optimizer.scalars(step);
    const dropoutOf = dropout > 0 ? batchInputs.dropout(batch, seed, step) : () => ({});
    const kept = Object.fromEntries([...this.kept].map(([name, { tensor }]) => [name, tensor]));
    const { outputs, loss } = await runAccumulated(batch, fits, this.zeros, (part, accumulation) =>
      executable.run({
        ...batchInputs.encoder(part.batch),
        ...batchInputs.decoder(part.batch),
        ...dropoutOf(part),
        ...kept,
        ...accumulation,
        learningRate: hostFloat32(Float32Array.of(learningRate), 1),
        first: hostFloat32(Float32Array.of(first), 1),
        second: hostFloat32(Float32Array.of(second), 1),
      }),
    );
    const gradientNorm = await takeNumber(outputs['gradientNorm']);
    for (const [name, entry] of this.kept) {
      const after = outputs[name];
      if (after === undefined) throw new RangeError(`The step did not return '${name}'.`);
      disposeTensor(entry.tensor);
      entry.tensor = after;
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
    const optimizer = new Map<string, Tensor>();
    for (const { group, tensor } of this.kept.values()) {
      const data = Float32Array.from(isOnDevice(tensor) ? await tensor.data() : tensor.data);
      for (const [name, member] of unstack(group, data)) optimizer.set(name, member);
    }
    const delta = new Map<string, Tensor>();
    for (const name of this.options.parameterShapes.keys()) {
      const tensor = optimizer.get(name);
      if (tensor === undefined) throw new RangeError(`This training was disposed, or has no '${name}'.`);
      delta.set(name, tensor);
      optimizer.delete(name);
    }
    return { step: this.count, delta, optimizer };
  }

  dispose(): void {
    for (const { tensor } of this.kept.values()) disposeTensor(tensor);
    this.kept.clear();
  }
}

export function isTrainingState(from: DeltaTensors | TrainingState): from is TrainingState {
  return 'optimizer' in from;
}

/** The states of one kind of a group's parameters: `<parameter>.<state>`, as the reference's checkpoints name them. */
function stateGroup(group: ParameterGroup, state: string, shape: readonly number[]): ParameterGroup {
  return { name: `${group.name}/${state}`, shape, members: group.members.map((name) => `${name}.${state}`) };
}

/** A copy: a caller may go on changing what it gave, and a resumed state is left as it is. */
function stackOf(group: ParameterGroup, tensors: DeltaTensors): HostTensor {
  const data = stack(group, (name) => {
    const tensor = tensors.get(name);
    if (tensor?.shape.join() !== group.shape.join()) {
      throw new DeltaloomError(
        'training-state-mismatch',
        `The training state has '${name}' of shape [${tensor?.shape.join(', ') ?? 'none'}], and [${group.shape.join(', ')}] is needed.`,
        { place: { at: name }, remedy: 'Begin this training anew: it was saved by other settings.' },
      );
    }
    return tensor;
  });
  return hostFloat32(data, ...stackedShape(group));
}

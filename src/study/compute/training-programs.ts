import * as tf from '@tensorflow/tfjs';
import type { Tensor as TfTensor } from '@tensorflow/tfjs';
import { sizeOfShape } from '../../core/tensor.js';
import type { Program } from '../../engine/contract.js';
import { meanTokenLoss, tokenLosses } from '../../model/loss.js';
import { clipByGlobalNorm, globalNorm } from '../../model/optimizers/clipping.js';
import type { Optimizer } from '../../model/optimizers/contract.js';
import { parameterGroups, stackedShape, type ParameterGroup } from './parameter-groups.js';
import {
  decoderSignatures,
  deltaInput,
  dropoutOf,
  dropoutSignatures,
  encoderSignatures,
  float32,
  input,
  trainedElements,
  type Inputs,
  type Signatures,
} from './program-inputs.js';
import { flat, forward, forwardSignatures, network, type Frozen, type ProgramModel } from './programs.js';

/** The trained tensors of a model, in their order. */
type Trained = readonly TfTensor[];

/**
 * A loss and its gradients with respect to everything that is trained. `lossOf` makes the loss, shape [], of the token losses
 * [batch * target] and their mask.
 */
function lossAndGradients(
  model: ProgramModel,
  inputs: Inputs,
  frozen: Frozen,
  trained: Trained,
  options: {
    readonly dropout: number;
    readonly lossOf: (losses: TfTensor, mask: TfTensor) => TfTensor;
  },
): { loss: TfTensor; gradients: TfTensor[] } {
  const names = [...model.trained.keys()];
  const compute = (...tensors: TfTensor[]): tf.Scalar => {
    const all: Record<string, TfTensor> = { ...inputs };
    names.forEach((name, index) => {
      const tensor = tensors[index];
      if (tensor !== undefined) all[deltaInput(name)] = tensor;
    });
    const net = network(model, all, frozen, dropoutOf(inputs, options.dropout));
    const { decoder } = forward(net, all);
    const losses = tokenLosses(net, decoder.hidden, flat(input(inputs, 'labels')));
    return options.lossOf(losses, flat(input(inputs, 'labelMask'))).asScalar();
  };
  const { value, grads } = tf.valueAndGrads(compute)([...trained]);
  return { loss: value, gradients: grads };
}

/** The trained tensors where each is an input of its own. */
function separateInputs(model: ProgramModel, inputs: Inputs): Trained {
  return [...model.trained.keys()].map((name) => input(inputs, deltaInput(name)));
}

export const gradientOutput = (name: string): string => `gradient/${name}`;

/** The gradients themselves, for checks. */
export function gradientsProgram(model: ProgramModel): Program {
  const names = [...model.trained.keys()];
  return {
    name: 'gradients',
    inputs: forwardSignatures(model),
    outputs: ['loss', ...names.map(gradientOutput)],
    compute: (inputs, frozen) => {
      const { loss, gradients } = lossAndGradients(model, inputs, frozen, separateInputs(model, inputs), {
        dropout: 0,
        lossOf: meanTokenLoss,
      });
      const result: Record<string, TfTensor> = { loss };
      gradients.forEach((gradient, index) => {
        result[gradientOutput(names[index] ?? '')] = gradient;
      });
      return result;
    },
  };
}

/**
 * What the programs read that take a batch in parts: `accumulated` [elements of all that is trained] is the gradient of the parts
 * before this one, `labelCount` [1] the number of label tokens in the whole batch.
 */
function accumulationSignatures(model: ProgramModel): Signatures {
  return { accumulated: float32(trainedElements(model.trained)), labelCount: float32(1) };
}

/** The part's share of the batch's mean token loss, and the gradient of all parts up to this one in one vector. */
function accumulatedGradient(
  model: ProgramModel,
  inputs: Inputs,
  frozen: Frozen,
  trained: Trained,
  dropout: number,
): { loss: TfTensor; gradient: TfTensor } {
  const count = tf.maximum(input(inputs, 'labelCount'), 1);
  const { loss, gradients } = lossAndGradients(model, inputs, frozen, trained, {
    dropout,
    lossOf: (losses, mask) => tf.div(tf.sum(tf.mul(losses, mask)), count),
  });
  return { loss, gradient: tf.add(input(inputs, 'accumulated'), joined(gradients)) };
}

/** Loss and the squared norm of every gradient, in the order of the trained tensors: `squaredNorms` [count]. */
export function gradientNormsProgram(model: ProgramModel): Program {
  return {
    name: 'gradient-norms',
    inputs: { ...forwardSignatures(model), ...accumulationSignatures(model) },
    outputs: ['loss', 'gradient', 'squaredNorms'],
    compute: (inputs, frozen) => {
      const { loss, gradient } = accumulatedGradient(model, inputs, frozen, separateInputs(model, inputs), 0);
      const parts = separated(gradient, model.trained);
      const squares = Object.values(parts).map((part) => tf.reshape(tf.sum(tf.mul(part, part)), [1]));
      return { loss, gradient, squaredNorms: tf.concat(squares, 0) };
    },
  };
}

/** Parameters and optimizer state of a group enter and leave the training step under these names. */
export const parametersInput = (group: ParameterGroup): string => `parameters/${group.name}`;
export const stateInput = (group: ParameterGroup, state: string): string => `state/${group.name}/${state}`;

/** One training step: loss, backward pass, clipping and optimizer in one program. Of a batch in parts only the last part's results count. */
export function trainStepProgram(
  model: ProgramModel,
  optimizer: Optimizer,
  options: { readonly clip: number; readonly dropout: number },
): Program {
  const groups = parameterGroups(model.trained);
  const kept: Signatures = {};
  for (const group of groups) {
    kept[parametersInput(group)] = float32(...stackedShape(group));
    for (const [state, shape] of Object.entries(optimizer.stateShapes(group.shape))) {
      kept[stateInput(group, state)] = float32(group.members.length, ...shape);
    }
  }
  return {
    name: 'train-step',
    inputs: {
      ...encoderSignatures(model.prefix),
      ...decoderSignatures(model.prefix),
      ...(options.dropout > 0 ? dropoutSignatures() : {}),
      ...kept,
      ...accumulationSignatures(model),
      learningRate: float32(1),
      first: float32(1),
      second: float32(1),
    },
    outputs: ['loss', 'gradient', 'gradientNorm', ...Object.keys(kept)],
    compute: (inputs, frozen) => {
      const trained = unstacked(model, groups, inputs);
      const { loss, gradient } = accumulatedGradient(model, inputs, frozen, trained, options.dropout);
      const gradientNorm = globalNorm([gradient]);
      const [clipped = gradient] = clipByGlobalNorm([gradient], gradientNorm, options.clip);
      const gradients = separated(clipped, model.trained);
      const result: Record<string, TfTensor> = { loss, gradient, gradientNorm };
      const scalars = {
        learningRate: input(inputs, 'learningRate'),
        first: input(inputs, 'first'),
        second: input(inputs, 'second'),
      };
      for (const group of groups) {
        const states = Object.keys(optimizer.stateShapes(group.shape));
        const update = optimizer.update(
          input(inputs, parametersInput(group)),
          tf.reshape(
            tf.concat(
              group.members.map((member) => input(gradients, member)),
              0,
            ),
            stackedShape(group),
          ),
          Object.fromEntries(states.map((state) => [state, input(inputs, stateInput(group, state))])),
          scalars,
        );
        result[parametersInput(group)] = update.parameter;
        for (const [state, value] of Object.entries(update.state)) result[stateInput(group, state)] = value;
      }
      return result;
    },
  };
}

/** Every trained tensor, cut from the stack of its group. */
function unstacked(model: ProgramModel, groups: readonly ParameterGroup[], inputs: Inputs): Trained {
  const members: Record<string, TfTensor> = {};
  for (const group of groups) {
    tf.unstack(input(inputs, parametersInput(group))).forEach((tensor, index) => {
      members[group.members[index] ?? ''] = tensor;
    });
  }
  return [...model.trained.keys()].map((name) => input(members, name));
}

/**
 * Gradients end to end in one vector, in the order of the backward pass: the last of the trained tensors first. Joined two by two,
 * since ONNX Runtime computes the inputs of an operation one after the other: a gradient is then taken as soon as the backward
 * pass gets to it, and what it was taken from is freed. One operation for all of them would come after the whole backward pass.
 */
function joined(gradients: readonly TfTensor[]): TfTensor {
  const [only] = gradients;
  if (only !== undefined && gradients.length === 1) return tf.reshape(only, [only.size]);
  const middle = gradients.length >> 1;
  return tf.concat([joined(gradients.slice(middle)), joined(gradients.slice(0, middle))], 0);
}

/** What `joined` did, undone: by name, each still a vector. One slice each: a split would bind more buffers at once than a GPU allows. */
function separated(vector: TfTensor, shapes: ReadonlyMap<string, readonly number[]>): Inputs {
  let end = vector.size;
  const parts: Record<string, TfTensor> = {};
  for (const [name, shape] of shapes) {
    const size = sizeOfShape(shape);
    end -= size;
    parts[name] = tf.slice(vector, [end], [size]);
  }
  return parts;
}

import * as tf from '@tensorflow/tfjs';
import type { Tensor as TfTensor } from '@tensorflow/tfjs';
import type { DeltaSettings } from '../../core/delta-settings.js';
import type { Program } from '../../engine/contract.js';
import { blockCount, blockNames, STACKS } from '../../model/architecture.js';
import type { T5Architecture } from '../../core/t5-architecture.js';
import type { Dropout } from '../../model/dropout.js';
import { meanTokenLoss, tokenLosses } from '../../model/loss.js';
import type { Network } from '../../model/network.js';
import { decode, encode, outputLogits, type StackOutput } from '../../model/stack.js';
import {
  hiddenCosine,
  klDivergence,
  logProbabilities,
  tokenStatistics,
} from '../../model/sweep-statistics.js';
import {
  decoderInputs,
  decoderSignatures,
  deltaInput,
  deltaSignatures,
  encoderInputs,
  encoderSignatures,
  float32,
  input,
  type Inputs,
  type Signatures,
} from './program-inputs.js';

/** What the programs of one model have in common. */
export interface ProgramModel {
  readonly architecture: T5Architecture;
  readonly tied: boolean;
  readonly delta: DeltaSettings | null;
  /** Names and shapes of what is trained: the delta, or every parameter in pretraining; empty without a delta. */
  readonly trained: ReadonlyMap<string, readonly number[]>;
  /** Pretraining: the backbone's own weights are the trained tensors. */
  readonly trainsBackbone: boolean;
  readonly prefix: number;
}

export type Frozen = (name: string) => TfTensor;

export function network(
  model: ProgramModel,
  inputs: Inputs,
  frozen: Frozen,
  dropout: Dropout | null,
): Network {
  const trained = (name: string) => input(inputs, deltaInput(name));
  return {
    architecture: model.architecture,
    weights: model.trainsBackbone ? trained : frozen,
    tied: model.tied,
    trainable: model.trainsBackbone,
    delta: model.delta === null ? null : { settings: model.delta, tensors: trained },
    dropout,
  };
}

export function forwardSignatures(model: ProgramModel): Signatures {
  return {
    ...encoderSignatures(model.prefix),
    ...decoderSignatures(model.prefix),
    ...deltaSignatures(model.trained),
  };
}

export function forward(net: Network, inputs: Inputs): { encoder: StackOutput; decoder: StackOutput } {
  const encoder = encode(net, encoderInputs(inputs));
  return { encoder, decoder: decode(net, decoderInputs(inputs, encoder.hidden)) };
}

/** [batch, length] as [batch * length]. */
export function flat(tensor: TfTensor): TfTensor {
  const [batch = 0, length = 0] = tensor.shape;
  return tf.reshape(tensor, [batch * length]);
}

/** Mean token loss, logits [batch, target, vocabulary] and the encoder's last hidden state [batch, source, d_model]. */
export function logitsProgram(model: ProgramModel): Program {
  return {
    name: 'logits',
    inputs: forwardSignatures(model),
    outputs: ['loss', 'logits', 'encoderLastHiddenState'],
    compute: (inputs, frozen) => {
      const net = network(model, inputs, frozen, null);
      const { encoder, decoder } = forward(net, inputs);
      const { logits } = outputLogits(net, decoder.hidden);
      const losses = tokenLosses(net, decoder.hidden, flat(input(inputs, 'labels')));
      const [batch = 0, source = 0] = input(inputs, 'inputIds').shape;
      const target = input(inputs, 'labels').shape[1] ?? 0;
      const { vocabularySize, modelSize } = model.architecture;
      return {
        loss: meanTokenLoss(losses, flat(input(inputs, 'labelMask'))),
        logits: tf.reshape(logits, [batch, target, vocabularySize]),
        encoderLastHiddenState: tf.reshape(encoder.hidden, [batch, source, modelSize]),
      };
    },
  };
}

/** Outputs of the teacher: `logProbabilities` [batch, target, vocabulary] and [batch, length, d_model] per block. */
export function teacherOutputs(architecture: T5Architecture): string[] {
  return ['logProbabilities', ...blockNames(architecture)];
}

function blockStates(outputs: { encoder: StackOutput; decoder: StackOutput }): TfTensor[] {
  return [...outputs.encoder.blocks, ...outputs.decoder.blocks];
}

/** The target's own distributions and hidden states. */
export function teachProgram(model: ProgramModel): Program {
  return {
    name: 'teach',
    inputs: forwardSignatures(model),
    outputs: teacherOutputs(model.architecture),
    compute: (inputs, frozen) => {
      const net = network(model, inputs, frozen, null);
      const outputs = forward(net, inputs);
      const shaped = (rows: TfTensor, like: string) => {
        const [batch = 0, length = 0] = input(inputs, like).shape;
        return tf.reshape(rows, [batch, length, rows.shape[1] ?? 0]);
      };
      const distributions = logProbabilities(outputLogits(net, outputs.decoder.hidden).logits);
      const result: Record<string, TfTensor> = { logProbabilities: shaped(distributions, 'labels') };
      const states = blockStates(outputs);
      blockNames(model.architecture).forEach((name, index) => {
        const state = states[index];
        if (state !== undefined) {
          result[name] = shaped(state, name.startsWith('encoder') ? 'inputIds' : 'labels');
        }
      });
      return result;
    },
  };
}

/** Inputs of a sweep that come from the teacher, by the teacher's output. */
export const teacherInput = (output: string): string => `teacher/${output}`;

/** Everything that one forward pass says of a delta on a batch; see `SweepStatistics`. */
export function sweepProgram(model: ProgramModel, withTeacher: boolean): Program {
  const { architecture } = model;
  const signatures = forwardSignatures(model);
  if (withTeacher) {
    signatures[teacherInput('logProbabilities')] = float32('batch', 'target', architecture.vocabularySize);
    for (const stack of STACKS) {
      for (let block = 0; block < blockCount(architecture, stack); block++) {
        const length = stack === 'encoder' ? 'source' : 'target';
        signatures[teacherInput(`${stack}.block.${block}`)] = float32(
          'batch',
          length,
          architecture.modelSize,
        );
      }
    }
  }
  return {
    name: withTeacher ? 'sweep-with-teacher' : 'sweep',
    inputs: signatures,
    outputs: ['loss', 'el2n', 'logitsLabelCosine', ...(withTeacher ? ['klDivergence', 'hiddenCosine'] : [])],
    compute: (inputs, frozen) => {
      const net = network(model, inputs, frozen, null);
      const outputs = forward(net, inputs);
      const mask = input(inputs, 'labelMask');
      const counted = (values: TfTensor) => tf.mul(values, flat(mask));
      const logProbability = logProbabilities(outputLogits(net, outputs.decoder.hidden).logits);
      const statistics = tokenStatistics(logProbability, flat(input(inputs, 'labels')));
      const result: Record<string, TfTensor> = {
        loss: counted(statistics.loss),
        el2n: counted(statistics.el2n),
        logitsLabelCosine: counted(statistics.logitsLabelCosine),
      };
      if (withTeacher) {
        const teacher = (name: string, like: TfTensor) =>
          tf.reshape(input(inputs, teacherInput(name)), like.shape);
        result['klDivergence'] = counted(
          klDivergence(teacher('logProbabilities', logProbability), logProbability),
        );
        const states = blockStates(outputs);
        const cosines = blockNames(architecture).map((name, index) => {
          const state = states[index];
          if (state === undefined) throw new RangeError(`No hidden state of ${name}.`);
          const rows = name.startsWith('encoder') ? input(inputs, 'inputMask') : mask;
          const [batch = 0] = rows.shape;
          return tf.reshape(hiddenCosine(teacher(name, state), state, rows), [1, batch]);
        });
        result['hiddenCosine'] = tf.concat(cosines, 0);
      }
      return result;
    },
  };
}

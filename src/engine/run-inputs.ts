import { DeltaloomError } from '../core/errors.js';
import { sizeOfShape } from '../core/tensor.js';
import type { DeviceTensor, HostTensor, Program } from './contract.js';

/**
 * Checks the inputs of one run against the program's signature: names, types, fixed sizes, sizes of the same name, and
 * that data and shape agree. Throws a DeltaloomError that names the inputs that disagree.
 */
export function checkInputs(
  program: Program,
  inputs: Readonly<Record<string, HostTensor | DeviceTensor>>,
): void {
  const sizes = new Map<string, { size: number; input: string }>();
  for (const [name, signature] of Object.entries(program.inputs)) {
    const value = inputs[name];
    if (value === undefined) throw mismatch(program, `input '${name}' is missing`);
    if (value.dtype !== signature.dtype) {
      throw mismatch(program, `input '${name}' is ${value.dtype}, expected ${signature.dtype}`);
    }
    if (value.shape.length !== signature.shape.length) {
      throw mismatch(
        program,
        `input '${name}' has shape [${value.shape.join(', ')}], expected [${signature.shape.join(', ')}]`,
      );
    }
    signature.shape.forEach((dimension, axis) => {
      const size = value.shape[axis] ?? 0;
      if (typeof dimension === 'number') {
        if (size !== dimension) {
          throw mismatch(
            program,
            `input '${name}' has shape [${value.shape.join(', ')}], expected [${signature.shape.join(', ')}]`,
          );
        }
        return;
      }
      const known = sizes.get(dimension);
      if (known === undefined) sizes.set(dimension, { size, input: name });
      else if (known.size !== size) {
        throw mismatch(
          program,
          `'${dimension}' is ${known.size} in input '${known.input}' but ${size} in input '${name}'`,
        );
      }
    });
    if (!isDeviceTensor(value) && value.data.length !== sizeOfShape(value.shape)) {
      throw mismatch(
        program,
        `input '${name}' holds ${value.data.length} values for shape [${value.shape.join(', ')}]`,
      );
    }
  }
}

export function isDeviceTensor(value: HostTensor | DeviceTensor): value is DeviceTensor {
  return typeof value.data === 'function';
}

function mismatch(program: Program, message: string): DeltaloomError {
  return new DeltaloomError('engine-input-mismatch', `Program ${program.name}: ${message}.`);
}

import type { Tensor } from '../../core/tensor.js';
import type { DeviceTensor, HostTensor } from '../../engine/contract.js';

/** Reads a number and frees its tensor. */
export async function takeNumber(tensor: DeviceTensor | undefined): Promise<number> {
  const value = (await tensor?.data())?.[0];
  tensor?.dispose();
  if (value === undefined) throw new RangeError('The program returned no number.');
  return value;
}

/** Frees what lives on the device. */
export function disposeTensor(tensor: HostTensor | DeviceTensor): void {
  if (isOnDevice(tensor)) tensor.dispose();
}

export function isOnDevice(tensor: HostTensor | DeviceTensor): tensor is DeviceTensor {
  return typeof tensor.data === 'function';
}

/** Copies a vector or matrix to the host and frees it. */
export async function takeFloats(
  outputs: Readonly<Record<string, DeviceTensor>>,
  name: string,
): Promise<Float32Array> {
  return (await takeTensor(outputs, name)).data;
}

/** Copies a tensor to the host and frees it. */
export async function takeTensor(
  outputs: Readonly<Record<string, DeviceTensor>>,
  name: string,
): Promise<Tensor> {
  const tensor = outputs[name];
  if (tensor === undefined) throw new RangeError(`The program returned no '${name}'.`);
  const data = Float32Array.from(await tensor.data());
  tensor.dispose();
  return { shape: [...tensor.shape], data };
}

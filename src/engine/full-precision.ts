/**
 * NVIDIA's libraries multiply float32 numbers rounded to 10 bits of mantissa (TF32) on GPUs from Ampere on, and ONNX Runtime and
 * TensorFlow let them: a thousandth off is not what a score of relatedness or a golden value can bear. The libraries read this
 * variable when they start, so call it before either is loaded for a GPU. Who prefers the speed sets the variable to 1.
 */
export function keepFullPrecision(): void {
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
}

/** What the computation needs to know of a T5. A parsed `config.json` (formats/t5-config) is one. */
export interface T5Architecture {
  readonly vocabularySize: number;
  /** d_model. */
  readonly modelSize: number;
  /** d_kv: size of one head. */
  readonly headSize: number;
  /** d_ff. */
  readonly feedForwardSize: number;
  readonly heads: number;
  readonly encoderBlocks: number;
  readonly decoderBlocks: number;
  readonly relativeBuckets: number;
  readonly relativeMaxDistance: number;
  readonly layerNormEpsilon: number;
  /** v1.0: relu; v1.1, Flan and LM-adapted: gated-gelu (the tanh form, `gelu_new`). */
  readonly feedForward: 'relu' | 'gated-gelu';
  /** Decoder outputs are multiplied by d_model^-0.5 before the logits (v1.0). */
  readonly scalesLogits: boolean;
  readonly padId: number;
  readonly eosId: number;
  readonly decoderStartId: number;
}

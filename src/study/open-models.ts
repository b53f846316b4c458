import type { Engine } from '../engine/contract.js';
import type { Backbone, Model } from './compute/contract.js';
import { openBackbone, openModel } from './compute/index.js';
import type { DeltaConfiguration } from './configuration.js';
import { canonicalJson } from './content-key.js';

interface Wanted {
  readonly directory: string;
  readonly fingerprint: string;
  readonly delta: DeltaConfiguration | null;
}

interface Opened {
  backbone: { readonly key: string; readonly backbone: Backbone };
  model: { readonly key: string; readonly model: Model } | null;
}

/**
 * The backbone and the one model last used on each engine. Opening takes seconds, and the next job usually wants the same;
 * more than one at a time would cost its memory. Once an engine is disposed of, its models are gone with it.
 */
const opened = new WeakMap<Engine, Opened>();

/** What is opened on an engine, unless its weights' files went away: programs that are compiled later read them too. */
async function stillThere(engine: Engine): Promise<Opened | undefined> {
  const current = opened.get(engine);
  if (current === undefined || (await current.backbone.backbone.isThere())) return current;
  await current.model?.model.dispose();
  opened.delete(engine);
  return undefined;
}

export async function borrowModel(engine: Engine, wanted: Wanted): Promise<Model> {
  const backboneKey = `${wanted.fingerprint} ${wanted.directory}`;
  const modelKey = `${backboneKey} ${canonicalJson(wanted.delta)}`;
  let current = await stillThere(engine);
  if (current?.model?.key === modelKey) return current.model.model;
  await current?.model?.model.dispose();
  if (current?.backbone.key !== backboneKey) {
    const backbone = await openBackbone(wanted.directory);
    current = { backbone: { key: backboneKey, backbone }, model: null };
  } else {
    current.model = null;
  }
  opened.set(engine, current);
  const model = await openModel(current.backbone.backbone, wanted.delta, engine);
  current.model = { key: modelKey, model };
  return model;
}

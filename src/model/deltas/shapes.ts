import type { DeltaSettings } from '../../core/delta-settings.js';
import { attentionModule, blockCount, innerSize, STACKS, sublayers, type Stack } from '../architecture.js';
import type { T5Architecture } from '../../core/t5-architecture.js';

export function adapterNames(sublayer: string): { down: string; up: string } {
  return { down: `${sublayer}.adapter.adapter_A`, up: `${sublayer}.adapter.adapter_B` };
}

export function loraNames(module: string, projection: string): { down: string; up: string } {
  return { down: `${module}.${projection}.lora_A`, up: `${module}.${projection}.lora_B` };
}

export function prefixNames(stack: Stack): { embedding: string; down: string; up: string } {
  return {
    embedding: `${stack}.prefix.prefix`,
    down: `${stack}.prefix.prefix_project.0.weight`,
    up: `${stack}.prefix.prefix_project.2.weight`,
  };
}

/** Names (the reference's) and shapes of every tensor of a delta, in the order of computation. */
export function deltaShapes(
  architecture: T5Architecture,
  settings: DeltaSettings,
): Map<string, readonly number[]> {
  const { modelSize } = architecture;
  const inner = innerSize(architecture);
  const shapes = new Map<string, readonly number[]>();
  if (settings.type === 'prefix') {
    for (const stack of STACKS) {
      const names = prefixNames(stack);
      shapes.set(names.embedding, [settings.length, modelSize]);
      shapes.set(names.down, [settings.hiddenSize, modelSize]);
      shapes.set(names.up, [2 * blockCount(architecture, stack) * inner, settings.hiddenSize]);
    }
    return shapes;
  }
  for (const sublayer of sublayers(architecture)) {
    if (settings.type === 'adapter') {
      if (!settings.placement.includes(sublayer.kind)) continue;
      const names = adapterNames(sublayer.name);
      shapes.set(names.down, [modelSize, settings.size]);
      shapes.set(names.up, [settings.size, modelSize]);
    } else if (sublayer.kind !== 'feed-forward') {
      for (const projection of ['q', 'k', 'v', 'o'] as const) {
        if (!settings.targetModules.includes(projection)) continue;
        const names = loraNames(attentionModule(sublayer), projection);
        const [input, output] = projection === 'o' ? [inner, modelSize] : [modelSize, inner];
        shapes.set(names.down, [input, settings.rank]);
        shapes.set(names.up, [settings.rank, output]);
      }
    }
  }
  return shapes;
}

import { Command, Option } from 'commander';
import { resolve } from 'node:path';
import { z } from 'zod';
import { counted } from '../core/counted.js';
import { DELTA_TYPES } from '../core/delta-settings.js';
import { initialiseStudy } from '../study/initialise.js';
import { withCommonOptions } from './common.js';

export function initCommand(signal: AbortSignal): Command {
  const command = new Command('init')
    .description('write deltaloom.json for a folder with tasks and a backbone, finding both')
    .argument('[dir]', 'folder of the new study')
    .option('--backbone <dir>', 'folder of a Hugging Face T5 (default: found in the folder)')
    .option('--tasks <dir>', 'folder of CrossFit tasks (default: found in the folder)')
    .addOption(new Option('--delta <type...>', 'kinds of delta (default: adapter)').choices(DELTA_TYPES));
  const options = z.object({
    backbone: z.string().optional(),
    tasks: z.string().optional(),
    delta: z.array(z.enum(DELTA_TYPES)).default(['adapter']),
  });
  return withCommonOptions(
    command,
    options,
    signal,
    async (chosen, { directory, terminal, seed }, [folder]) => {
      const made = await initialiseStudy(folder === undefined ? directory : resolve(folder), {
        ...chosen,
        deltas: chosen.delta,
        seed,
      });
      terminal.result(
        `Wrote ${made.file}: ${counted(made.tasks, 'task')} in ${made.tasksFolder}, backbone ${made.backbone}. Next: deltaloom check.`,
        made,
      );
    },
  );
}

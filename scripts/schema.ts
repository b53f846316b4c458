// Writes schema/deltaloom.schema.json from the configuration's zod schema: npx tsx scripts/schema.ts
import { writeFile } from 'node:fs/promises';
import { studyJsonSchema } from '../src/study/load.js';

await writeFile(
  new URL('../schema/deltaloom.schema.json', import.meta.url),
  `${JSON.stringify(studyJsonSchema(), null, 2)}\n`,
);

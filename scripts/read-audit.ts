import { spawnSync } from 'node:child_process';

/**
 * Reads `npm audit` of what ships. Known vulnerabilities of high or critical severity fail, unless named below with the
 * reason why they can't be reached; an unreachable registry is said and passes, since it proves nothing.
 */
const ACCEPTED: Readonly<Record<string, string>> = {};

interface Audit {
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>;
}

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
  encoding: 'utf8',
  shell: process.platform === 'win32',
  maxBuffer: 64 * 1024 * 1024,
});
let audit: Audit = {};
try {
  audit = JSON.parse(stdout) as Audit;
} catch {
  // Not JSON: reported below as no answer.
}
if (audit.vulnerabilities === undefined) {
  console.log(
    'npm audit gave no answer (the registry has no audit service, or there is no network): nothing was checked.',
  );
} else {
  const found = Object.entries(audit.vulnerabilities);
  for (const [name, { severity, range }] of found) {
    console.log(
      `${severity}: ${name} ${range}${name in ACCEPTED ? ` (accepted: ${ACCEPTED[name] ?? ''})` : ''}`,
    );
  }
  const grave = found.filter(
    ([name, { severity }]) => ['high', 'critical'].includes(severity) && !(name in ACCEPTED),
  );
  console.log(`${found.length} known vulnerabilities in what ships, ${grave.length} grave and not accepted.`);
  process.exitCode = grave.length === 0 ? 0 : 1;
}

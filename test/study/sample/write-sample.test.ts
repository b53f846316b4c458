import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeSample } from '../../../src/study/sample/write-sample.js';
import { gitIn } from '../../support/commands.js';

const SAMPLE = path.resolve(import.meta.dirname, '..', '..', '..', 'sample');

describe('writing the sample study', { timeout: 60_000 }, () => {
  let folder: string;
  let study: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-write-sample-'));
    study = path.join(folder, 'sample');
    const home = path.join(folder, 'home');
    await mkdir(home);
    vi.stubEnv('HOME', home);
    vi.stubEnv('XDG_CONFIG_HOME', home);
    vi.stubEnv('GIT_CONFIG_NOSYSTEM', '1');
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  it('gives a repository in which the study has grown, with the weights of its sources', async () => {
    expect(await writeSample(SAMPLE, study)).toBeNull();
    expect(gitIn(study, 'status', '--porcelain')).toBe('');
    expect(gitIn(study, 'rev-list', '--count', 'HEAD')).toBe('10');
    const checkpoints = path.join(study, '.deltaloom', 'checkpoints');
    expect(await readdir(checkpoints)).toHaveLength(16);
    expect(gitIn(study, 'ls-files', '.deltaloom/checkpoints')).toBe('');
    expect((await readdir(folder)).sort()).toEqual(['home', 'sample']);
    // Nobody is known to git here: somebody must be able to commit results.
    expect(gitIn(study, 'config', 'user.name')).toBe('Deltaloom sample');
  });

  it("gives the same commits whatever the person's git is set to, and leaves it to them who commits", async () => {
    const templates = path.join(folder, 'templates', 'hooks');
    await mkdir(templates, { recursive: true });
    await writeFile(path.join(templates, 'pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await writeFile(
      path.join(folder, 'home', '.gitconfig'),
      [
        '[user]\n\tname = Ada Lovelace\n\temail = ada@example.org',
        '[commit]\n\tgpgsign = true',
        '[core]\n\tautocrlf = true',
        `[init]\n\tdefaultBranch = trunk\n\ttemplateDir = ${path.dirname(templates)}`,
      ].join('\n'),
    );
    expect(await writeSample(SAMPLE, study)).toBeNull();
    const other = path.join(folder, 'other');
    vi.stubEnv('HOME', folder);
    vi.stubEnv('XDG_CONFIG_HOME', folder);
    expect(await writeSample(SAMPLE, other)).toBeNull();
    expect(gitIn(study, 'rev-parse', 'main')).toBe(gitIn(other, 'rev-parse', 'main'));
    vi.stubEnv('HOME', path.join(folder, 'home'));
    expect(gitIn(study, 'config', 'user.name')).toBe('Ada Lovelace');
    expect(gitIn(study, 'log', '-1', '--format=%an')).toBe('Deltaloom sample');
  });

  it('gives the plain files where there is no git, and says so', async () => {
    vi.stubEnv('PATH', path.join(folder, 'home'));
    const obstacle = await writeSample(SAMPLE, study);
    expect(obstacle?.line).toBe(
      'The program git was not found. Install git and put the sample into another folder.',
    );
    expect((await readdir(study)).sort()).toEqual((await readdir(SAMPLE)).sort());
    expect(await readdir(path.join(study, '.deltaloom', 'checkpoints'))).toHaveLength(16);
    expect((await readdir(folder)).sort()).toEqual(['home', 'sample']);
  });

  it('touches nothing in a folder that holds something, and takes an empty one', async () => {
    await mkdir(study);
    await writeFile(path.join(study, 'notes.txt'), 'mine');
    await expect(writeSample(SAMPLE, study)).rejects.toMatchObject({ code: 'folder-not-empty' });
    expect(await readdir(study)).toEqual(['notes.txt']);
    await rm(path.join(study, 'notes.txt'));
    expect(await writeSample(SAMPLE, study)).toBeNull();
    expect(gitIn(study, 'rev-list', '--count', 'HEAD')).toBe('10');
  });
});

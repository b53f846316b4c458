import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  contains,
  distinctNames,
  folderForStudy,
  nameOfStudy,
  studyFolderIn,
} from '../../src/extension/studies/folders.js';
import { studySchema } from '../../src/study/configuration.js';
import { makeRecords, makeSnapshot } from './make-study.js';

const { posix, win32 } = path;

describe('folders of studies', () => {
  it('contain what lies in them, on Windows whatever the case', () => {
    expect(contains('/a/study', '/a/study', posix)).toBe(true);
    expect(contains('/a/study', '/a/study/tasks/x.tsv', posix)).toBe(true);
    expect(contains('/a/study', '/a/study-2/x.tsv', posix)).toBe(false);
    expect(contains('/a/study', '/a', posix)).toBe(false);
    expect(contains('/a/study', '/a/study/..data/x.tsv', posix)).toBe(true);
    expect(contains('c:\\a\\study', 'C:\\A\\Study\\deltaloom.json', win32)).toBe(true);
    expect(contains('c:\\a\\study', 'd:\\a\\study\\deltaloom.json', win32)).toBe(false);
    expect(contains('\\\\server\\share\\study', '\\\\server\\share\\study\\tasks', win32)).toBe(true);
    expect(contains('\\\\server\\share\\study', '\\\\server\\other\\study', win32)).toBe(false);
  });

  it('are named by the setting, relative to the workspace folder or absolute', () => {
    expect(studyFolderIn('', '/w', posix)).toBeUndefined();
    expect(studyFolderIn('studies/one', '/w', posix)).toBe('/w/studies/one');
    expect(studyFolderIn('../other', '/w', posix)).toBe('/other');
    expect(studyFolderIn('/elsewhere/', '/w', posix)).toBe('/elsewhere');
    expect(studyFolderIn('studies/one', 'c:\\w', win32)).toBe('c:\\w\\studies\\one');
    expect(studyFolderIn('D:\\elsewhere', 'c:\\w', win32)).toBe('D:\\elsewhere');
  });

  it('are named in deltaloom.json so that they are found again', () => {
    const study = path.resolve('study');
    expect(folderForStudy(study, study)).toBe('.');
    expect(folderForStudy(study, path.join(study, 'data', 'tasks'))).toBe('data/tasks');
    expect(folderForStudy(study, path.resolve('elsewhere'))).toBe(path.resolve('elsewhere'));
    const written = { version: 1, backbone: '.', tasks: '.' };
    expect(studySchema.parse(written)).toMatchObject(written);
  });

  it('tell studies of the same name apart', () => {
    const named = (...studies: [string, string][]) => [...distinctNames(new Map(studies), posix).values()];
    expect(named(['/w/one', 'Mine'], ['/w/two', 'Yours'])).toEqual(['Mine', 'Yours']);
    expect(named(['/w/one', 'Mine'], ['/w/two', 'Mine'], ['/w/x', 'X'])).toEqual([
      'Mine (one)',
      'Mine (two)',
      'X',
    ]);
    expect(named(['/a/study', 'study'], ['/b/study', 'study'], ['/study', 'study'])).toEqual([
      'study (a/study)',
      'study (b/study)',
      'study (/study)',
    ]);
    const windows = new Map([
      ['c:\\a\\study', 'study'],
      ['c:\\b\\study', 'study'],
    ]);
    expect([...distinctNames(windows, win32).values()]).toEqual(['study (a/study)', 'study (b/study)']);
  });

  it('give a study its name when it has none of its own', () => {
    const snapshot = makeSnapshot(makeRecords(), 'c:\\studies\\glue');
    expect(nameOfStudy(snapshot, win32)).toBe('Two families');
    expect(nameOfStudy({ ...snapshot, configuration: null }, win32)).toBe('glue');
  });
});

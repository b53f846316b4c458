import { counted } from '../src/core/counted.js';
import type { Granularity } from '../src/core/methods.js';
import type { Arrangement, ProvenanceView, RunView } from '../src/extension/panels/messages.js';

/**
 * Everything that the panels' pages say: controls, titles, tables, read-outs, notices, what screen readers are told. (What the
 * core says of its methods and of weights comes from there, what the extension answers comes with the answer.) One place, so
 * that tone and terms agree and a translation finds them. Markup around the words stays in the views.
 */

export const PAGE_STRINGS = {
  common: {
    order: 'Order',
    filter: 'Filter',
    showAs: 'Show as',
    displays: { picture: 'Picture', table: 'Table' } satisfies Record<Arrangement['display'], string>,
    target: 'Target',
    source: 'Source',
    score: 'Score',
    method: 'Method',
    temperature: 'Temperature',
    effectiveSources: 'Effective sources',
    chosenCell: 'Chosen cell',
    checkpoint: 'Checkpoint',
    log: 'Log',
    /** After a number. */
    percent: ' %',
  },
  page: {
    reading: 'Reading the study…',
    readingVersion: 'Reading the study as of that commit…',
    noStudy: 'No study here',
    noStudyRemedy: 'Open a folder with a deltaloom.json, or create a study.',
    dismiss: 'Dismiss',
    showWorkingTree: 'Show the Working Tree',
  },
  host: {
    notUnderstood: (request: string, issue: string) =>
      `The extension's answer to '${request}' was not understood: ${issue}`,
    notUnderstoodRemedy: 'Reload the window: extension and panel may be of different versions.',
  },
  versions: {
    reading: 'Reading the history…',
    showing: 'Showing',
    comparedWith: 'Compared with',
    comparedWithVersion: (version: string) => `Compared with ${version}`,
    nothing: 'Nothing',
    workingTree: 'Working tree',
    workingTreeName: 'working tree',
    uncommitted: (records: number) =>
      records === 0 ? 'Same as the last commit' : `${counted(records, 'record')} not committed`,
    openCommit: 'Open Commit',
    commitResults: (records: number) => (records === 0 ? 'Commit Results…' : `Commit Results (${records})…`),
    difference: (shown: string, compared: string) => `difference: ${shown} minus ${compared}`,
    differenceNote: (shown: string, compared: string) => `Difference: ${shown} minus ${compared}`,
  },
  provenance: {
    /** With the commit's hash and the time as they are shown. */
    computed: ({ commit, branch, author, time, device, seconds, dirty }: ProvenanceView) =>
      [
        commit === null ? 'Computed without a commit' : `Computed at ${commit}`,
        commit === null || branch === null ? '' : ` on ${branch}`,
        author === null ? '' : ` by ${author}`,
        `, ${time}, on ${device}`,
        seconds > 0 ? ` in ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : '',
        commit === null || !dirty ? '' : '; the tree had uncommitted changes',
      ].join(''),
    alsoAt: (others: number) => `; parts of it at ${counted(others, 'other commit')}`,
    commit: (hash: string, author: string, time: string, subject: string) =>
      `${hash} by ${author}, ${time}: ${subject}`,
    recorded: (commit: string) => `On record since ${commit}`,
    changed: (commit: string) => `Changed and not committed since ${commit}`,
    notCommitted: 'Not committed yet',
    open: (commit: string) => `Open ${commit}`,
    noCommit: 'This repository has no commit yet.',
    detached: (commit: string) => `HEAD is detached at ${commit}: a commit made now is on no branch.`,
    inProgress: (operation: string) =>
      `A ${operation} is in progress: results can be committed when it has ended.`,
    shallow: 'This is a shallow clone: older commits are missing (git fetch --unshallow).',
  },
  scores: {
    delta: 'Delta',
    granularity: 'Granularity',
    granularities: {
      model: 'Whole model',
      block: 'Blocks',
      layer: 'Layers',
    } satisfies Record<Granularity, string>,
    part: 'Part',
    reading: 'Reading scores…',
    readingCompared: 'Reading scores to compare with…',
    /** null: the working tree. */
    notThere: (commit: string | null) =>
      `These scores did not exist ${commit === null ? 'in the working tree' : `at ${commit}`}: there is nothing to compare with.`,
    none: 'No scores yet',
    noneInVersion: 'No scores in this version',
    purpose:
      'Scores say how related every target is to every source. Compute them once; they are kept with the study.',
    compute: 'Score Tasks…',
  },
  heatmap: {
    orders: {
      study: 'Study',
      group: 'Groups',
      clustering: 'Clustering',
      value: 'Mean value',
    } satisfies Record<Arrangement['order'], string>,
    colour: 'Colour',
    colours: { value: 'Score', rank: 'Rank', weight: 'Weight' } satisfies Record<
      Arrangement['colour'],
      string
    >,
    noDifference: 'No difference: these scores are the same in both versions.',
    ownSourceAside: "A target's own source, in grey, is left out of its weights.",
    ownSource: 'own source, left out',
    notComputed: 'not computed',
    moreSimilar: 'more similar',
    lessSimilar: 'less similar',
    lower: (meaning: string) => `lower: ${meaning}`,
    higher: (meaning: string) => `higher: ${meaning}`,
    ofTheMerge: 'of the merge',
    /** A version compared with that has no name. */
    before: 'before',
    caption: (title: string, of: Arrangement['colour'] | 'difference', comparedWith: string) => {
      const what = {
        value: '',
        rank: 'rank of the source, ',
        weight: 'averaging weight in percent, ',
        difference: `difference to ${comparedWith}, `,
      }[of];
      return `${title}: ${what}targets in rows, sources in columns`;
    },
    allParts: (granularity: Granularity) =>
      `All ${granularity === 'block' ? 'blocks' : 'layers'}, each on its own scale`,
    everyPart: (scores: string) => `Every part of ${scores}`,
    everyPartTitle: (scores: string) => `${scores}, every part on its own scale`,
    /** Where there is little room. */
    encoder: 'enc',
    decoder: 'dec',
  },
  cell: {
    name: (target: string, source: string) => `${target} ← ${source}`,
    difference: (difference: string) => `difference ${difference}`,
    ownSource: 'own source, left out of the weights',
    rank: (rank: string, sources: number) => `rank ${rank} of ${sources}`,
    weight: (percent: string) => `weight ${percent} %`,
    choose: 'Choose a cell (click, or Enter on the cursor) to see what it was made from.',
    checkpointTitle: (source: string) => `The delta of ${source}`,
    record: 'Run Record',
    recordTitle: (source: string) => `How the delta of ${source} was tuned`,
    logTitle: 'The log of that tuning',
    data: 'Data',
    dataTitle: (target: string) => `The examples of ${target} that the score reads`,
    scores: 'Scores',
    scoresTitle: 'The record of this matrix',
    averagingWeights: 'Averaging Weights',
    profile: (cell: string) => `${cell} through the model`,
    part: (granularity: Granularity) => (granularity === 'block' ? 'Block' : 'Layer'),
  },
  weights: {
    orders: { value: 'Most similar first', group: 'Groups', study: 'Study' } satisfies Record<
      Arrangement['weightOrder'],
      string
    >,
    heading: (target: string, method: string) => `Weights for ${target} by ${method}`,
    title: (target: string, method: string, temperature: number) =>
      `Averaging weights of ${target} by ${method}, temperature ${temperature}`,
    weight: 'Weight',
    weightIn: (version: string) => `Weight (${version})`,
    difference: 'Difference',
    score: (score: string) => `score ${score}`,
    earlier: (version: string, percent: string, difference: string) =>
      `${version} ${percent} %, difference ${difference}`,
    earlierKey: (version: string) => `weight in ${version}`,
    ofTheStudy: (temperature: number) => `Study's (${temperature})`,
    ofTheStudyTitle: 'Back to the temperature that the study uses',
    effective: (effective: string, sources: number) => `${effective} of ${sources}`,
    entropy: 'Entropy',
    nats: (entropy: string) => `${entropy} nats`,
    noScores: (target: string) => `There are no scores for ${target}.`,
    noScoresRemedy: 'Score it against the sources.',
    missing: (missing: number, all: number, target: string, first: string) =>
      `${missing} of ${all} scores of ${target} are missing or not finite (${first}${missing > 1 ? ', …' : ''}).`,
    missingRemedy: 'Compute the missing cells (Deltaloom: Score), or look at the checkpoint of that source.',
    noSource: (target: string) => `There is no source for ${target} but its own.`,
    noSourceRemedy: 'Tune a source on another task.',
    merge: 'Merge with These Weights',
    mergeTitle: 'Merge the sources into an initialisation',
    mergeOfHistory: 'A merge uses the working tree: show it first',
    mergeParts: 'Merge Each Part by Its Own',
    mergePartsTitle: (granularity: Granularity) => `Every ${granularity} weighed by its own scores`,
    tune: 'Tune from This Merge',
    tuneTitle: (target: string) => `Tune ${target} from it with the study's settings, for every seed`,
    showResults: 'Show Results',
    cancel: 'Cancel',
  },
  methods: {
    reading: 'Reading the other methods…',
    heading: (target: string) => `Methods side by side for ${target}`,
    noWinner: "No method's merge has been tuned and tested for this target yet, or only one.",
    /** After the names of the methods. */
    won: (methods: number) =>
      `won: the few-shot run from ${methods === 1 ? 'its merge' : 'their merges'} tested best.`,
    weights: (target: string) =>
      `Weights of the sources of ${target} in percent, each method at the study's temperature`,
    tested: (results: string) => `Test after tuning (${results})`,
    correlation: (target: string) =>
      `Rank correlation of the methods over the sources of ${target} (Spearman)`,
  },
  results: {
    none: (split: Arrangement['split'], version: string | null) =>
      `No results ${split === 'test' ? 'on the test split ' : ''}${version === null ? 'yet' : `in ${version}`}`,
    noneRemedy: (split: Arrangement['split']) =>
      `Tune targets from random and from merged initialisations; their scores on the ${split} split are compared here.`,
    showDev: 'Show the Dev Split',
    showTest: 'Show the Test Split',
    table: 'Table',
    split: 'Split',
    splits: { test: 'Test', dev: 'Dev' } satisfies Record<Arrangement['split'], string>,
    figure: 'Figure',
    figures: {
      value: 'Mean ± sd',
      'gain-random': 'Gain over random',
      'gain-average': 'Gain over average',
    } satisfies Record<Arrangement['figure'], string>,
    filterExample: 'part of a task name',
    readingCompared: 'Reading the results to compare with…',
    notThere: (version: string) => `There were no such results in ${version}: nothing to compare with.`,
    heading: (table: string) => `Results: ${table}`,
    onlyNow: (version: string, columns: string) => `Not in ${version}, so without a difference: ${columns}.`,
    bestInBold: 'Best of each row in bold.',
    chooseCell: 'Choose a cell to see its runs.',
    columns: 'Columns',
    columnsShown: (shown: number, all: number) =>
      `Columns: ${shown === all ? `all ${shown}` : `${shown} of ${all}`} shown`,
    task: 'Task',
    metric: 'Metric',
    meanRow: (tasks: number) => `Mean of ${counted(tasks, 'task')}`,
    differenceOfMeans: 'Difference of the means',
    overSeeds: 'Mean ± deviation over seeds',
    oneSeed: 'One seed each',
    caption: (figure: string, split: Arrangement['split'], table: string) =>
      `${figure}, ${split}, ${table}, in points (0 to 100)`,
    learningCurves: 'Learning Curves',
    run: (seed: number, test: string, dev: string, steps: number) =>
      `seed ${seed}: test ${test}, dev ${dev}, ${steps} steps`,
    record: 'Record',
    means: 'Mean over tasks by initialisation',
    meansTitle: (tasks: number, caption: string) => `Mean over ${tasks} tasks, ${caption}`,
    initialisation: 'Initialisation',
    mean: 'Mean',
    gainOverRandom: (gain: string) => `gain over random ${gain}`,
  },
  curves: {
    curve: 'Curve',
    measures: { train: 'Training loss', dev: 'Dev metric' } satisfies Record<Arrangement['curve'], string>,
    /** `runs`: what those shown have in common, if anything. */
    title: (measure: string, runs: string) => `${measure} by step${runs === '' ? '' : `: ${runs}`}`,
    step: 'Step',
    reading: 'Reading curves…',
    choose: 'Choose runs below to see their curves.',
    stillRunning: (curves: number) => `${curves} still running`,
    noPoint: 'No point measured yet.',
    noPointInVersion: 'No point measured yet in this version.',
    runs: 'Runs',
    shown: (shown: number, most: number) => `${shown} of at most ${most} shown`,
    nothingTuned: 'Nothing has been tuned yet. A running tuning appears here by itself.',
    filterExample: 'task, method or seed',
    showListed: (runs: number) => `Show ${runs} Listed`,
    showNone: 'Show None',
    more: (runs: number) => `${runs} more: filter to see them.`,
    lines: 'Lines',
    running: 'running',
  },
  runs: {
    source: 'source',
    from: (start: string) => `from ${start}`,
    /** As a title. */
    fromTask: (task: string) => `From ${task}`,
    fewSteps: (start: string) => `a few steps ${start}`,
    data: (shots: RunView['shots']) => (shots === 'full' ? 'full data' : `${shots} shots`),
    seed: (seed: number) => `seed ${seed}`,
    states: { done: '', failed: 'failed', cancelled: 'cancelled' } satisfies Record<
      RunView['status'],
      string
    >,
  },
  export: {
    format: 'Export as',
    formats: {
      csv: 'CSV',
      json: 'JSON',
      markdown: 'Markdown',
      latex: 'LaTeX',
      png: 'PNG picture',
      svg: 'SVG picture',
    },
    copy: 'Copy',
    copyTitle: 'Copy to the clipboard',
    onlySaved: 'A picture can only be saved',
    save: 'Save…',
    tooLarge: 'The picture is too large for a PNG; save it as SVG.',
  },
  /** Of each kind its name for screen readers, how it is walked over, and what stands in the read-out at first. */
  pictures: {
    heatmap: (title: string, targets: number, sources: number) =>
      `Heatmap of ${title}, ${targets} targets by ${sources} sources`,
    heatmapHint: 'Point at a cell, or walk over them with the arrow keys.',
    heatmapKeys:
      'Arrow keys walk over the cells, Page Up and Page Down by ten rows, Enter chooses. Choose Table for the same as a table.',
    bars: (title: string, bars: number) => `${title}, ${bars} bars`,
    barsHint: 'Point at a bar, or walk over them with Up and Down.',
    barsKeys: 'Up and Down walk over the bars. Choose Table for the same as a table.',
    lines: (title: string, lines: number) => `${title}, ${counted(lines, 'line')}`,
    linesHint: 'Point at the lines, or walk along with Left and Right.',
    linesKeys: 'Left and Right walk along. Choose Table for the same as a table.',
    parts: (parts: number) => `All ${parts} parts`,
  },
  table: {
    sortBy: (column: string) => `Sort by ${column}`,
    /** Of the column that holds another's standard deviations. */
    deviation: (column: string) => `${column} (sd)`,
  },
} as const;

import { Uri } from 'vscode';

/** The file of a checkpoint; a comparison names the other one in the query, so that both have tabs of their own. */
export function checkpointUri(file: string, compareWith: string | undefined): Uri {
  const uri = Uri.file(file);
  return compareWith === undefined
    ? uri
    : uri.with({ query: new URLSearchParams({ compareWith }).toString() });
}

export function comparedWith(uri: Uri): string | undefined {
  return new URLSearchParams(uri.query).get('compareWith') ?? undefined;
}

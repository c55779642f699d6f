/** A model to start from: one of the runs, a file, or a folder. */
import type { DirectoryReference, ModelReference } from '../../workers/protocol.ts';
import { folderName } from './folders.ts';

export type ModelKind = 'none' | 'run' | 'file' | 'folder';

export class ModelChoice {
  kind = $state<ModelKind>('none');
  runId = $state('');
  file = $state.raw<File | undefined>();
  folder = $state.raw<DirectoryReference | undefined>();

  get reference(): ModelReference | undefined {
    switch (this.kind) {
      case 'none':
        return undefined;
      case 'run':
        return this.runId ? { kind: 'run', runId: this.runId } : undefined;
      case 'file':
        return this.file && { kind: 'file', file: this.file };
      case 'folder':
        return this.folder && { kind: 'directory', directory: this.folder };
    }
  }

  get isComplete(): boolean {
    return this.kind === 'none' || this.reference !== undefined;
  }

  get folders(): readonly DirectoryReference[] {
    return this.kind === 'folder' && this.folder ? [this.folder] : [];
  }

  get folderName(): string {
    return this.folder ? folderName(this.folder) : '';
  }
}

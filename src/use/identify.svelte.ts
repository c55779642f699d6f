/** People who are enrolled with their faces, and who it is on other photos; nothing is trained for it. */
import { proxy } from 'comlink';
import type {
  EnrolledPerson,
  FaceFailure,
  FindFacesEvent,
  FindFacesRequest,
  FoundFace,
  KeptGallery,
  OpenedGallery,
  Recognition,
  RecognitionSettings,
  RecognitionTest,
} from '../../workers/protocol/use/identify.ts';
import { DatasetChoice } from '../choose/dataset_choice.svelte.ts';
import { saveBlob } from '../session/downloads.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import { requestAccess } from '../session/folders.ts';
import type { Library } from '../session/library.svelte.ts';
import { identifyWorker, libraryWorker } from '../session/workers.ts';
import { MARGIN_PX } from './compare.svelte.ts';
import type { UseJob } from './job.svelte.ts';
import { facesById, withAnswers, withFaces, type EnrolledFaces, type QueryFace } from './people.ts';
import { FolderNotAllowedError, type UsedModel } from './used_model.svelte.ts';

const SEED = 666;
export const GALLERY_FILE_NAME = 'people.facenet-people.json';
export const CLASSIFIER_FILE_NAME = 'classifier.json';

export class IdentifyState {
  readonly photosFolder: DatasetChoice;
  readonly alignedFolder: DatasetChoice;
  /** The folder to enrol from holds aligned faces, not photos as taken. */
  areAligned = $state(false);
  newName = $state('');
  newPhotos = $state.raw<readonly File[]>([]);

  people = $state.raw<readonly EnrolledFaces[]>([]);
  /** Photos that nobody could be enrolled from. */
  failures = $state.raw<readonly FaceFailure[]>([]);
  /** Of the model that the people were enrolled with. */
  modelName = $state('');
  fingerprint = $state('');
  /** They differ from what is kept, or nothing is. */
  isChanged = $state(false);

  settings = $state<RecognitionSettings>({
    method: 'nearest',
    k: 3,
    falseAcceptRate: 0.01,
    threshold: undefined,
    seed: SEED,
  });
  recognition = $state.raw<Recognition | undefined>();
  split = $state({ nrofTrainImagesPerClass: 2, minNrofImagesPerClass: 3 });
  test = $state.raw<RecognitionTest | undefined>();

  /** The newest first. */
  queries = $state.raw<readonly QueryFace[]>([]);
  queryFailures = $state.raw<readonly FaceFailure[]>([]);

  keepsPictures = $state(true);
  problem = $state.raw<Problem | undefined>();
  /** What could not be done: the heading over the problem. */
  problemTitle = $state('');
  readonly faceCount = $derived(this.people.reduce((sum, { faces }) => sum + faces.length, 0));
  /** By id, to show what a face was compared with. */
  readonly faceById = $derived(facesById(this.people));
  readonly job: UseJob;
  readonly #model: UsedModel;
  readonly #library: Library;

  constructor(library: Library, job: UseJob, model: UsedModel) {
    this.#library = library;
    this.job = job;
    this.#model = model;
    this.photosFolder = new DatasetChoice('photos', library);
    this.alignedFolder = new DatasetChoice('aligned', library);
  }

  /** People that this browser keeps, the newest first. */
  get kept(): readonly KeptGallery[] {
    return this.#library.galleries;
  }

  get folder(): DatasetChoice {
    return this.areAligned ? this.alignedFolder : this.photosFolder;
  }

  /** The people were enrolled with another model than the one that is open. */
  get isOtherModel(): boolean {
    const { opened } = this.#model;
    return this.people.length > 0 && opened !== undefined && opened.fingerprint !== this.fingerprint;
  }

  // Enrolling ------------------------------------------------------------------------------------------------------

  /** Must follow a click where a permission has to be asked for. */
  async enrolFolder(): Promise<void> {
    const { folders } = this.folder;
    await this.#run('The folder could not be enrolled', async () => {
      if (!(await requestAccess(folders))) throw new FolderNotAllowedError();
      await this.#enrol(
        {
          photos: { kind: 'folders', folders: [...folders] },
          areAligned: this.areAligned,
          faces: 'main',
          margin: MARGIN_PX,
        },
        undefined,
      );
    });
  }

  async enrolPhotos(): Promise<void> {
    const name = this.newName.trim();
    const files = [...this.newPhotos];
    if (!name || files.length === 0) return;
    await this.#run(`${name} could not be enrolled`, async () => {
      await this.#enrol(
        { photos: { kind: 'files', files }, areAligned: false, faces: 'main', margin: MARGIN_PX },
        name,
      );
      this.newName = '';
      this.newPhotos = [];
    });
  }

  /** @param name of the person; default: the photos' folders */
  async #enrol(request: FindFacesRequest, name: string | undefined): Promise<void> {
    const opened = await this.#model.open();
    if (this.people.length > 0 && opened.fingerprint !== this.fingerprint) await this.removeAll();
    this.modelName = opened.name;
    this.fingerprint = opened.fingerprint;
    this.failures = [];
    this.job.begin('Finding faces');
    const found: FoundFace[] = [];
    try {
      await identifyWorker.call((api) =>
        api.findFaces(
          request,
          this.job.control,
          proxy((event: FindFacesEvent) => {
            if (event.kind === 'faces') found.push(...event.faces);
            else if (event.kind === 'failures') this.failures = [...this.failures, ...event.failures];
            else this.job.report(event.done, event.total);
          }),
        ),
      );
    } finally {
      // What was found before a stop is enrolled too.
      this.#add(found.map((face) => (name === undefined ? face : { ...face, person: name })));
    }
    await this.#learn();
  }

  #add(faces: readonly FoundFace[]): void {
    if (faces.length === 0) return;
    this.#changePeople(withFaces(this.people, faces));
  }

  #changePeople(people: readonly EnrolledFaces[]): void {
    this.people = people.toSorted((a, b) => a.name.localeCompare(b.name));
    this.isChanged = people.length > 0;
    this.recognition = undefined;
    this.test = undefined;
  }

  async removePerson(name: string): Promise<void> {
    const person = this.people.find((one) => one.name === name);
    if (!person || this.job.isBusy) return;
    this.#changePeople(this.people.filter((one) => one !== person));
    await identifyWorker.call((api) => api.forgetFaces(person.faces.map(({ id }) => id)));
    await this.refresh();
  }

  async removeAll(): Promise<void> {
    const ids = this.people.flatMap(({ faces }) => faces.map(({ id }) => id));
    this.#changePeople([]);
    this.failures = [];
    await this.clearQueries();
    if (ids.length > 0) await identifyWorker.call((api) => api.forgetFaces(ids));
  }

  // Recognising ----------------------------------------------------------------------------------------------------

  get #enrolled(): EnrolledPerson[] {
    return this.people.map(({ name, faces }) => ({ name, faces: faces.map(({ id }) => id) }));
  }

  /** Takes over changed settings or people, and names the photos that were asked about anew. */
  async refresh(): Promise<void> {
    if (this.people.length === 0) return this.clearQueries();
    await this.#run('The recognition could not be prepared', () => this.#learn());
  }

  async #learn(): Promise<void> {
    if (this.people.length === 0) return;
    this.job.begin('Preparing the recognition');
    const settings = $state.snapshot(this.settings);
    this.recognition = await identifyWorker.call((api) =>
      api.learn(
        this.#enrolled,
        settings,
        this.job.control,
        proxy((done: number, total: number) => this.job.report(done, total)),
      ),
    );
    if (this.queries.length > 0) await this.#identify(this.queries.map(({ face }) => face));
  }

  /** The camera needs what photos need. */
  async prepare(): Promise<boolean> {
    await this.#run('The camera could not be used', async () => {
      await this.#model.open();
      if (!this.recognition || this.isOtherModel) await this.#learn();
    });
    return this.problem === undefined;
  }

  async askAbout(files: readonly File[]): Promise<void> {
    if (files.length === 0) return;
    await this.#run('The photos could not be identified', async () => {
      await this.#model.open();
      // Of people of another model it says so.
      if (!this.recognition || this.isOtherModel) await this.#learn();
      this.queryFailures = [];
      this.job.begin('Finding faces');
      const found: FoundFace[] = [];
      const request: FindFacesRequest = {
        photos: { kind: 'files', files: [...files] },
        areAligned: false,
        faces: 'all',
        margin: MARGIN_PX,
      };
      await identifyWorker.call((api) =>
        api.findFaces(
          request,
          this.job.control,
          proxy((event: FindFacesEvent) => {
            if (event.kind === 'faces') found.push(...event.faces);
            else if (event.kind === 'failures')
              this.queryFailures = [...this.queryFailures, ...event.failures];
            else this.job.report(event.done, event.total);
          }),
        ),
      );
      await this.#identify([...found, ...this.queries.map(({ face }) => face)]);
    });
  }

  async #identify(faces: readonly FoundFace[]): Promise<void> {
    const ids = faces.map(({ id }) => id);
    this.queries = withAnswers(faces, await identifyWorker.call((api) => api.identify(ids)));
  }

  async clearQueries(): Promise<void> {
    const ids = this.queries.map(({ face }) => face.id);
    this.queries = [];
    this.queryFailures = [];
    if (ids.length > 0) await identifyWorker.call((api) => api.forgetFaces(ids));
  }

  async runTest(): Promise<void> {
    await this.#run('The test failed', async () => {
      this.job.begin('Testing on the faces that were held back');
      const request = {
        people: this.#enrolled,
        settings: $state.snapshot(this.settings),
        ...$state.snapshot(this.split),
      };
      this.test = await identifyWorker.call((api) =>
        api.test(
          request,
          this.job.control,
          proxy((done: number, total: number) => this.job.report(done, total)),
        ),
      );
    });
  }

  // Keeping --------------------------------------------------------------------------------------------------------

  async listKept(): Promise<void> {
    try {
      await this.#library.refreshGalleries();
    } catch (error) {
      this.#fail('The saved people could not be read', problemOf(error));
    }
  }

  async keep(): Promise<void> {
    await this.#run('The people could not be saved', async () => {
      this.job.begin('Saving the people');
      await identifyWorker.call((api) => api.keepGallery(this.#enrolled, this.keepsPictures));
      this.isChanged = false;
    });
    await this.listKept();
  }

  async openKept({ id }: KeptGallery): Promise<void> {
    await this.#run('These people could not be opened', async () => {
      this.job.begin('Opening the people');
      await this.#take(await identifyWorker.call((api) => api.openKeptGallery(id)));
      this.isChanged = false;
    });
  }

  async deleteKept({ id }: KeptGallery): Promise<void> {
    try {
      await libraryWorker.call((api) => api.deleteGallery(id));
    } catch (error) {
      this.#fail('These people could not be deleted', problemOf(error));
    }
    await this.listKept();
  }

  async openFile(file: File): Promise<void> {
    await this.#run(`${file.name} could not be opened`, async () => {
      this.job.begin('Opening the people');
      await this.#take(await identifyWorker.call((api) => api.openGallery(file)));
    });
  }

  /** In place of those who are enrolled. */
  async #take({ faces, modelName, fingerprint }: OpenedGallery): Promise<void> {
    await this.removeAll();
    this.modelName = modelName;
    this.fingerprint = fingerprint;
    this.#add(faces);
    if (this.#model.opened?.fingerprint === fingerprint) await this.#learn();
  }

  async saveFile(): Promise<void> {
    await this.#run('The file could not be written', async () => {
      this.job.begin('Writing the file');
      const blob = await identifyWorker.call((api) => api.buildGallery(this.#enrolled, this.keepsPictures));
      saveBlob(blob, GALLERY_FILE_NAME);
    });
  }

  async saveClassifier(): Promise<void> {
    await this.#run('The classifier could not be trained', async () => {
      this.job.begin('Training the classifier');
      const blob = await identifyWorker.call((api) =>
        api.buildClassifier(this.#enrolled, SEED, this.job.control),
      );
      saveBlob(blob, CLASSIFIER_FILE_NAME);
    });
  }

  /** The worker is gone, and with it all embeddings. */
  forgetAll(): void {
    this.#changePeople([]);
    this.queries = [];
    this.queryFailures = [];
  }

  async #run(title: string, work: () => Promise<void>): Promise<void> {
    if (this.job.isBusy) return;
    this.problem = undefined;
    this.#fail(title, await this.job.run(work));
  }

  #fail(title: string, problem: Problem | undefined): void {
    this.problem = problem;
    this.problemTitle = title;
  }
}

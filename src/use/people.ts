/** Who has which faces. */
import type { FoundFace, IdentifiedFace } from '../../workers/protocol/use/identify.ts';

export interface EnrolledFaces {
  readonly name: string;
  readonly faces: readonly FoundFace[];
}

/** Adds faces to the people of their names. */
export function withFaces(
  people: readonly EnrolledFaces[],
  added: readonly FoundFace[],
): readonly EnrolledFaces[] {
  const byName = new Map(people.map(({ name, faces }) => [name, [...faces]]));
  for (const face of added) {
    const known = byName.get(face.person);
    if (known) known.push(face);
    else byName.set(face.person, [face]);
  }
  return [...byName].map(([name, faces]) => ({ name, faces }));
}

export function facesById(people: readonly EnrolledFaces[]): ReadonlyMap<number, FoundFace> {
  return new Map(people.flatMap(({ faces }) => faces.map((face) => [face.id, face])));
}

export interface QueryFace {
  readonly face: FoundFace;
  readonly identified: IdentifiedFace;
}

/** In the order of the faces; those without an answer are left out. */
export function withAnswers(
  faces: readonly FoundFace[],
  answers: readonly IdentifiedFace[],
): readonly QueryFace[] {
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  return faces.flatMap((face) => {
    const identified = byId.get(face.id);
    return identified ? [{ face, identified }] : [];
  });
}

/** Invented names for people who do not exist. */
import { hashKey, permutation, RandomStream } from '../../common/random.ts';

// prettier-ignore
const GIVEN = [
  'Alba', 'Bero', 'Calis', 'Davin', 'Elowa', 'Fenno', 'Gilda', 'Haro', 'Ilka', 'Joren', 'Kira', 'Levin',
  'Mira', 'Nilo', 'Orla', 'Pavo', 'Quill', 'Runa', 'Sorin', 'Tova', 'Ulma', 'Varo', 'Wenna', 'Xavo', 'Yara',
  'Zeno', 'Anouk', 'Bram', 'Cosima', 'Dario', 'Edda', 'Falk', 'Greta', 'Henk', 'Isra', 'Jonna', 'Kasim',
  'Lumi', 'Moro', 'Nessa', 'Otto', 'Petra', 'Rafi', 'Sanna', 'Timo', 'Una', 'Vito', 'Wim', 'Yuna', 'Zora',
];
// prettier-ignore
const FAMILY = [
  'Aldmoor', 'Brenwick', 'Corvane', 'Dellmere', 'Estrell', 'Farrowby', 'Glenhart', 'Hollowell', 'Istrand',
  'Jorvale', 'Kestermann', 'Lindquell', 'Marrowen', 'Northolm', 'Oakhaven', 'Pellwater', 'Quarrick',
  'Rosmoor', 'Silverlund', 'Tarnfeld', 'Umberley', 'Varnholt', 'Westerby', 'Yarrowin', 'Zellmark',
  'Ashgrove', 'Birkenau', 'Clovermoor', 'Dunleth', 'Eversund', 'Fjordal', 'Grauwald', 'Heatherow',
  'Ivenholt', 'Kaldermoor', 'Larkwell', 'Mossgarth', 'Nebelin', 'Orchardel', 'Pinewold',
];

/** @returns `count` different names, e.g. `Mira_Tarnfeld` */
export function sampleNames(seed: number, count: number): string[] {
  const given = permutation(hashKey(RandomStream.sampleFaces, seed, -1), GIVEN.length);
  const family = permutation(hashKey(RandomStream.sampleFaces, seed, -2), FAMILY.length);
  return Array.from({ length: count }, (_, index) => {
    const round = Math.floor(index / GIVEN.length);
    // Each round of given names meets the family names shifted by one.
    const first = GIVEN[given[index % GIVEN.length]!]!;
    const last = FAMILY[family[(index + round) % FAMILY.length]!]!;
    const again = Math.floor(index / (GIVEN.length * FAMILY.length));
    return again === 0 ? `${first}_${last}` : `${first}_${last}_${'I'.repeat(again + 1)}`;
  });
}
